package bench

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/measure"
	"livemap/cmd/livemap/bench/report"
	"livemap/cmd/livemap/bench/target"
	"livemap/cmd/livemap/bench/workload"
)

// Custom is a load of the caller's own, on a server that runs already.
type Custom struct {
	Target   string // where streams are; a URL
	Publish  string // where to publish; a URL, "" where the server does by itself
	PID      int    // of the server; 0: neither processor time nor memory is measured
	Kind     string // one of kinds
	Token    string // for publishing and subscribing
	Protocol string // one of protocols
	Streams  int
	Rate     float64 // events a second
	Duration time.Duration
}

// kinds are the servers that can be measured, and protocols how they can be read.
var (
	kinds     = []string{"hub", "mercure", "centrifugo", "nchan", "raw"}
	protocols = []string{string(client.H1), string(client.H2), string(client.H3)}
)

// Check reports the first value that is out of range, by the name of its flag.
func (c *Custom) Check() error {
	target, err := url.Parse(c.Target)
	switch {
	case err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https":
		return fmt.Errorf("--target: %q is not an http:// or https:// URL", c.Target)
	case !slices.Contains(kinds, c.Kind):
		return fmt.Errorf("--kind: %q is unknown; it must be one of %s", c.Kind, strings.Join(kinds, ", "))
	case !slices.Contains(protocols, c.Protocol):
		return fmt.Errorf("--protocol: %q is unknown; it must be one of %s", c.Protocol,
			strings.Join(protocols, ", "))
	case c.Protocol == string(client.H3) && target.Scheme != "https":
		return fmt.Errorf("--protocol: h3 needs an https:// target, not %s", c.Target)
	case c.Kind == "raw" && c.Publish != "":
		return fmt.Errorf("--publish: a raw source publishes by itself")
	case c.PID < 0:
		return fmt.Errorf("--pid: %d is not a process ID; it must be 1 or more, or 0 for none", c.PID)
	case c.Streams < 1 || c.Streams > 100_000:
		return fmt.Errorf("--streams: %d is out of range; it must be from 1 to 100000", c.Streams)
	case c.Rate < 0.1 || c.Rate > 100_000:
		return fmt.Errorf("--rate: %g is out of range; it must be from 0.1 to 100000", c.Rate)
	case c.Duration < time.Second || c.Duration > time.Hour:
		return fmt.Errorf("--duration: %v is out of range; it must be from 1s to 1h", c.Duration)
	}
	return c.checkPublish()
}

func (c *Custom) checkPublish() error {
	if c.Kind == "raw" {
		return nil
	}
	publish, err := url.Parse(c.Publish)
	if err != nil || publish.Host == "" || publish.Scheme != "http" && publish.Scheme != "https" {
		return fmt.Errorf("--publish: %q is not an http:// or https:// URL", c.Publish)
	}
	return nil
}

func (c *Custom) scenario() scenario {
	return scenario{
		Name: "custom",
		About: fmt.Sprintf(
			"%s: %d %s streams of %s, %g events/s", c.Kind, c.Streams, c.Protocol, c.Target, c.Rate,
		),
		run: c.run,
	}
}

func (c *Custom) run(ctx context.Context, l *lab, o *report.Outcome) error {
	load := measure.Load{
		Protocol: client.Protocol(c.Protocol), Streams: c.Streams, Rate: c.Rate,
		Events: workload.Events{Vehicles: 200},
		WarmUp: min(2*time.Second, c.Duration), Window: c.Duration, Settle: time.Second,
	}
	if c.Kind == "raw" {
		load.Check = func(int, int) client.Check { return client.Consecutive() }
		load.Drain = time.Millisecond
	}
	run, err := load.Measure(ctx, c.target())
	if err == nil {
		if c.Kind == "raw" {
			run.Delay, run.Rate = nil, 0 // nobody knows when an event was due
		}
		o.Runs = append(o.Runs, run)
	}
	return err
}

// target is the server as its kind is used.
func (c *Custom) target() *target.Target {
	t := &target.Target{Name: c.Kind, Silent: c.Kind != "hub", Header: http.Header{}, Stop: func() {}}
	if c.PID != 0 {
		t.PIDs = []int{c.PID}
	}
	if c.Token != "" && c.Kind != "centrifugo" {
		t.Header.Set("Authorization", "Bearer "+c.Token)
	}
	stream := map[string]func() string{
		"hub":        func() string { return withPath(c.Target, "/stream?snapshot=false") },
		"mercure":    func() string { return withPath(c.Target, "/.well-known/mercure?topic="+channel) },
		"centrifugo": func() string { return withPath(c.Target, centrifugoPath+centrifugoSubs) },
	}[c.Kind]
	address := c.Target
	if stream != nil {
		address = stream()
	}
	t.URL = func(client.Protocol, string) string { return address }
	t.Chatty = c.Kind == "centrifugo" // it announces the connection, and pings
	t.Publish = c.publisher(t.Header)
	return t
}

const (
	channel        = "bench"
	centrifugoPath = "/connection/uni_sse?cf_connect="
)

var centrifugoSubs = url.QueryEscape(`{"subs":{"` + channel + `":{}}}`)

// publisher returns how events are published to the kind of server.
func (c *Custom) publisher(
	header http.Header,
) func(context.Context, workload.Schedule, workload.Events) error {
	p := target.Poster{URL: c.Publish, ContentType: "application/json", Header: header}
	switch c.Kind {
	case "hub":
		return target.HubPublisher(strings.TrimSuffix(strings.TrimSuffix(c.Publish, "/"), "/publish"), c.Rate)
	case "mercure":
		p.URL = withPath(c.Publish, "/.well-known/mercure")
		p.ContentType = "application/x-www-form-urlencoded"
		return features(p, func(feature []byte) []byte {
			return []byte(url.Values{"topic": {channel}, "data": {string(feature)}}.Encode())
		})
	case "centrifugo":
		p.URL, p.Header = withPath(c.Publish, "/api/publish"), http.Header{"X-Api-Key": {c.Token}}
		return features(p, func(feature []byte) []byte {
			return slices.Concat([]byte(`{"channel":"`+channel+`","data":`), feature, []byte(`}`))
		})
	case "nchan":
		return features(p, bytes.Clone)
	}
	return func(ctx context.Context, s workload.Schedule, _ workload.Events) error {
		return workload.SleepUntil(ctx, s.Due(s.Events))
	}
}

// features publishes events as Features, wrapped as a server wants them.
func features(
	p target.Poster, wrap func(feature []byte) []byte,
) func(context.Context, workload.Schedule, workload.Events) error {
	return func(ctx context.Context, s workload.Schedule, e workload.Events) error {
		return p.Publish(ctx, s, func(b []byte, n int, due time.Time) []byte {
			return wrap(e.AppendFeature(b, n, due))
		})
	}
}

// withPath adds what a kind of server has where to an address that has no path.
func withPath(address, path string) string {
	if u, err := url.Parse(address); err == nil && strings.Trim(u.Path, "/") == "" && u.RawQuery == "" {
		return strings.TrimSuffix(address, "/") + path
	}
	return address
}
