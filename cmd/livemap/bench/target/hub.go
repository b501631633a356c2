package target

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/process"
	"livemap/cmd/livemap/bench/workload"
)

// Hub is a hub in a process of its own.
type Hub struct {
	*process.Child
	public, proxy, Internal string // addresses
}

// StartHub starts `livemap serve` with further flags, on ports that the system
// picks, with a state directory of its own.
func StartHub(program, state string, args ...string) (*Hub, error) {
	var ready struct{ Msg, Public, Proxy, Publish string }
	args = append([]string{"serve", "--anonymous", "--listen", "127.0.0.1:0", "--proxy-listen", "127.0.0.1:0",
		"--publish-listen", "127.0.0.1:0", "--state-dir", state, "--log-format", "json"}, args...)
	c, err := process.Start(program, args, nil, false, func(line []byte) bool {
		return json.Unmarshal(line, &ready) == nil && ready.Msg == "the hub is ready"
	})
	if err != nil {
		return nil, err
	}
	return &Hub{c, ready.Public, ready.Proxy, ready.Publish}, nil
}

// URL returns the address of a stream: HTTP/1.1 is plaintext, as behind a proxy.
func (h *Hub) URL(p client.Protocol, path string) string {
	if p == client.H1 {
		return h.proxy + path
	}
	return h.public + path
}

// Target measures the hub.
func (h *Hub) Target(rate float64) *Target {
	return &Target{
		Name:    "hub",
		PIDs:    []int{h.PID()},
		URL:     h.URL,
		Stop:    h.Stop,
		Publish: HubPublisher(h.Internal, rate),
	}
}

// PostRate is up to how many events a second each is a POST of its own; more come
// in one open upload.
const PostRate = 50

// HubPublisher publishes to a hub's internal port.
func HubPublisher(
	internal string, rate float64,
) func(context.Context, workload.Schedule, workload.Events) error {
	if rate > PostRate {
		return func(ctx context.Context, s workload.Schedule, e workload.Events) error {
			ack, err := upload(ctx, internal+"/publish", s, e)
			if err != nil {
				return err
			}
			return RequireAll(ack, s.Events)
		}
	}
	p := Poster{URL: internal + "/publish", ContentType: "application/json"}
	return func(ctx context.Context, s workload.Schedule, e workload.Events) error {
		return p.Publish(ctx, s, e.AppendPosition)
	}
}

// Prime publishes events [from, to) as fast as the hub takes them.
func (h *Hub) Prime(ctx context.Context, e workload.Events, from, to int) error {
	now := time.Now()
	ack, err := UploadLines(ctx, h.Internal+"/publish", func(w io.Writer) error {
		return e.WriteLines(w, from, to, now)
	})
	if err != nil {
		return err
	}
	return RequireAll(ack, to-from)
}
