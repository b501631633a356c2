package bench

import (
	"context"
	"encoding/json"
	"io"
	"time"
)

// hub is a hub in a process of its own.
type hub struct {
	*child
	public, proxy, internal string // addresses
}

// startHub starts `livemap serve` with further flags, on ports that the system
// picks, with a state directory of its own.
func startHub(program, state string, args ...string) (*hub, error) {
	var ready struct{ Msg, Public, Proxy, Publish string }
	args = append([]string{"serve", "--anonymous", "--listen", "127.0.0.1:0", "--proxy-listen", "127.0.0.1:0",
		"--publish-listen", "127.0.0.1:0", "--state-dir", state, "--log-format", "json"}, args...)
	c, err := startChild(program, args, nil, false, func(line []byte) bool {
		return json.Unmarshal(line, &ready) == nil && ready.Msg == "the hub is ready"
	})
	if err != nil {
		return nil, err
	}
	return &hub{c, ready.Public, ready.Proxy, ready.Publish}, nil
}

// url gives the address of a stream: HTTP/1.1 is plaintext, as behind a proxy.
func (h *hub) url(p protocol, path string) string {
	if p == h1 {
		return h.proxy + path
	}
	return h.public + path
}

// target measures the hub.
func (h *hub) target(rate float64) *target {
	return &target{name: "hub", pids: []int{h.pid()}, url: h.url, stop: h.stop, publish: hubPublisher(h.internal, rate)}
}

// postRate is up to how many events a second each is a POST of its own; more come
// in one open upload.
const postRate = 50

// hubPublisher publishes to a hub's internal port.
func hubPublisher(internal string, rate float64) func(context.Context, schedule, events) error {
	if rate > postRate {
		return func(ctx context.Context, s schedule, e events) error {
			ack, err := upload(ctx, internal+"/publish", s, e)
			if err != nil {
				return err
			}
			return requireAll(ack, s.events)
		}
	}
	p := poster{url: internal + "/publish", contentType: "application/json"}
	return func(ctx context.Context, s schedule, e events) error { return p.publish(ctx, s, e.appendPosition) }
}

// prime publishes events [from, to) as fast as the hub takes them.
func (h *hub) prime(ctx context.Context, e events, from, to int) error {
	now := time.Now()
	ack, err := uploadLines(ctx, h.internal+"/publish", func(w io.Writer) error {
		return e.lines(w, from, to, now)
	})
	if err != nil {
		return err
	}
	return requireAll(ack, to-from)
}
