package target

import (
	"context"
	"encoding/json"
	"time"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/floor"
	"livemap/cmd/livemap/bench/process"
	"livemap/cmd/livemap/bench/workload"
)

// StartFloor starts a floor.
func StartFloor(program string, setup floor.Setup) (*Target, error) {
	input, err := json.Marshal(setup)
	if err != nil {
		return nil, err
	}
	var ready floor.Ready
	c, err := process.Start(
		program,
		[]string{"bench", "floor"},
		append(input, '\n'),
		true,
		func(line []byte) bool {
			return json.Unmarshal(line, &ready) == nil
		},
	)
	if err != nil {
		return nil, err
	}
	return &Target{
		Name: floorNames[setup.Kind], PIDs: []int{c.PID()}, Silent: true, Stop: c.Stop,
		URL: func(_ client.Protocol, path string) string { return ready.Address + path },
		Publish: func(_ context.Context, s workload.Schedule, _ workload.Events) error {
			now, err := process.Monotonic()
			if err != nil {
				return err
			}
			return json.NewEncoder(c.Stdin).
				Encode(floor.Run{Start: now + time.Until(s.Start), Period: s.Period, Events: s.Events})
		},
	}, nil
}

// floorNames are floors as tables call them.
var floorNames = map[string]string{
	"write": "write(2)",
	"tls":   "tls.Conn",
	"quic":  "quic-go streams",
	"chi":   "empty chi handler",
}
