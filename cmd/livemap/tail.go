package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"livemap/cmd/livemap/client"
	"livemap/geo"
)

// tailCmd follows streams of a hub.
type tailCmd struct {
	URL      tailURL       `arg:"" name:"url"`
	Topic    []string      `sep:"none" placeholder:"T"`
	BBox     string        `name:"bbox" placeholder:"W,S,E,N"`
	Interval time.Duration `placeholder:"1s"`
	Snapshot bool          `default:"true" negatable:""`
	Format   string        `default:"auto" enum:"auto,text,ndjson"`
	HTTP     string        `name:"http" default:"auto" enum:"auto,3,2,1.1"`
	Count    int           `placeholder:"N"`
	hubFlags
}

// tailHelp has the help texts of tailCmd.
var tailHelp = helpTexts{
	"url": "Address of the hub, such as https://localhost:4433 or http://127.0.0.1:9801, or the URL of one of " +
		"its streams.",
	"topic": "Topic to follow; may be repeated up to 128 times. Without it, tail follows everything it may " +
		"read.",
	"bbox":     "Only vehicles in this box, in degrees, as in --bbox=-97.9,30.1,-97.5,30.5.",
	"interval": "At most one position per vehicle in this time: 100ms to 60s.",
	"snapshot": "Begin with the last-known positions.",
	"format":   "Output format: ${enum}; auto is text on a terminal, else ndjson.",
	"http":     "HTTP version: ${enum}; auto is 3 where the hub offers it, else 2 or 1.1.",
	"count":    "Stop after N positions.",
}

// Help returns what --help adds to the flags.
func (c *tailCmd) Help() string {
	return `Prints positions until it is stopped. When the connection is lost, tail connects again and resumes
where it was cut. Where UDP is blocked, tail gives up HTTP/3 after 1.5 s.

On a terminal each line has the position's local time, vehicle, latitude and longitude, speed, heading and
age. Late positions and vehicles that are gone are marked, as are positions of vehicles that have been silent
for too long by the hub's clock (stale, lost). Into a pipe, tail writes the GeoJSON Features as they arrive,
late ones too, one on each line: a recording for 'livemap replay'. Everything else goes to standard error.

Exit status: 0 after --count positions, SIGINT or SIGTERM; 1 if the hub rejects the stream (token, topic,
box); 2 for a mistake in the call.`
}

// Validate checks the flags; kong calls it.
func (c *tailCmd) Validate() error {
	if c.BBox != "" {
		if _, err := geo.ParseBox(c.BBox); err != nil {
			return fmt.Errorf("--bbox: %w", err)
		}
	}
	if c.Interval != 0 && (c.Interval < 100*time.Millisecond || c.Interval > time.Minute) {
		return fmt.Errorf("--interval: %s is out of range; it must be from 100ms to 60s",
			shortDuration(c.Interval))
	}
	if c.Count < 0 {
		return fmt.Errorf("--count: %d is out of range; it must be 1 or more, or 0 for no end", c.Count)
	}
	if c.HTTP == "3" && c.URL.Scheme() != "https" {
		return fmt.Errorf("--http: 3 needs an https:// address, not %v", c.URL)
	}
	return c.validateTopics()
}

func (c *tailCmd) validateTopics() error {
	if c.URL.HasNext() {
		return errors.New("tail follows one hub; give one address, or that of the proxy before the hubs")
	}
	if len(c.Topic) > 0 && c.URL.path != "" {
		return fmt.Errorf("--topic: the URL already names a stream, %s; "+
			"leave --topic out, or give the address of the hub, %v", c.URL.path, c.URL)
	}
	if len(c.Topic) > 128 {
		return fmt.Errorf("--topic: given %d times; it may be given up to 128 times", len(c.Topic))
	}
	for _, topic := range c.Topic {
		if len(topic) < 1 || len(topic) > 256 {
			return fmt.Errorf("--topic: %q has %d bytes; it must have from 1 to 256",
				client.Printable(topic), len(topic))
		}
	}
	return nil
}

// Run follows the streams until ctx ends or --count positions have come.
func (c *tailCmd) Run(ctx context.Context, std streams) error {
	transport, closeAll, err := client.Options(c.hubFlags).StreamTransport(c.URL.Address, c.HTTP)
	if err != nil {
		return usageError{err}
	}
	defer closeAll()
	req, err := c.hub(c.URL.Address, transport).NewRequest(ctx, http.MethodGet, c.streamPath(), nil)
	if err != nil {
		return err
	}
	f := &follower{
		transport: transport,
		print: &tailPrinter{
			out: std.out, err: std.err, left: c.Count,
			text: c.Format == "text" || c.Format == "auto" && isTerminal(std.out),
		},
	}
	err = f.follow(ctx, req)
	if errors.Is(err, errDone) || ctx.Err() != nil {
		return nil
	}
	return err
}

// streamPath is the path and query of the stream. One topic has a path of its own; several, and
// everything, are at /stream. If the URL names a stream, the flags change its query.
func (c *tailCmd) streamPath() string {
	query := url.Values{}
	path := "/stream"
	switch {
	case c.URL.path != "":
		path, query = c.URL.path, maps.Clone(c.URL.query)
	case len(c.Topic) == 1 && strings.Trim(c.Topic[0], ".") != "": // a path must not contain /../
		path = "/topics/" + url.PathEscape(c.Topic[0]) + "/stream"
	case len(c.Topic) > 0:
		query["topic"] = c.Topic
	}
	if c.BBox != "" {
		query.Set("bbox", c.BBox)
	}
	if c.Interval != 0 {
		query.Set("interval", c.Interval.String())
	}
	if !c.Snapshot {
		query.Set("snapshot", "false")
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}
