package bench

import (
	"context"
	"encoding/json"
	"time"
)

// startFloor starts a floor.
func startFloor(program string, setup floorSetup) (*target, error) {
	input, err := json.Marshal(setup)
	if err != nil {
		return nil, err
	}
	var ready floorReady
	c, err := startChild(program, []string{"bench", "floor"}, append(input, '\n'), true, func(line []byte) bool {
		return json.Unmarshal(line, &ready) == nil
	})
	if err != nil {
		return nil, err
	}
	return &target{
		name: floorNames[setup.Kind], pids: []int{c.pid()}, silent: true, stop: c.stop,
		url: func(_ protocol, path string) string { return ready.Address + path },
		publish: func(_ context.Context, s schedule, _ events) error {
			now, err := monotonic()
			if err != nil {
				return err
			}
			return json.NewEncoder(c.stdin).Encode(floorRun{now + time.Until(s.start), s.period, s.events})
		},
	}, nil
}

// floorNames are floors as tables call them.
var floorNames = map[string]string{"write": "write(2)", "tls": "tls.Conn", "quic": "quic-go streams", "chi": "empty chi handler"}
