package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"livemap/cmd/livemap/client"
	"livemap/geo"

	"github.com/tmaxmax/go-sse"
)

// tailPrinter writes positions to out and notices about the stream to err. In text, vehicles that
// are gone are written among the positions.
type tailPrinter struct {
	out, err io.Writer
	text     bool
	left     int // positions until errDone; 0 for no end
	clock    hubClock
}

// errDone ends a tail that has printed all positions that were asked for.
var errDone = errors.New("done")

// notice writes a line about the stream itself.
func (p *tailPrinter) notice(text string, args ...any) {
	fmt.Fprintf(p.err, "livemap: "+text+"\n", args...)
}

// event prints one event. An error ends the tail.
func (p *tailPrinter) event(e sse.Event) error {
	switch e.Type {
	case "", "message":
		if e.Data == "" { // an id alone, which other hubs send
			return nil
		}
		return p.position(e.Data, false)
	case "late":
		return p.position(e.Data, true)
	case "gone":
		return p.gone(e.Data)
	}
	p.announce(e)
	return nil
}

// announcement is the data of the events about the stream itself.
type announcement struct {
	Reason string `json:"reason"`
	Mode   string `json:"mode"`
	Events int    `json:"events"`

	Time      float64 `json:"time"`       // the hub's clock, Unix seconds; 0: unknown
	QuietFrom float64 `json:"quiet_from"` // the end of the hub's last pause, Unix seconds
}

func (p *tailPrinter) announce(e sse.Event) {
	var a announcement
	json.Unmarshal([]byte(e.Data), &a) // unreadable data leaves the members empty
	if e.Type == "live" || e.Type == "ping" {
		p.clock.set(a)
	}
	switch {
	case e.Type == "reset" && a.Reason != "new":
		p.notice("reset (%s): the hub sends its state again", client.Printable(a.Reason))
	case e.Type == "live":
		p.notice("live (%s, %d events before it)", client.Printable(a.Mode), a.Events)
	case e.Type == "frozen":
		p.notice("frozen: the hub cannot prove that it is up to date (%s)", client.Printable(a.Reason))
	case e.Type == "bye":
		p.notice("bye (%s)", client.Printable(a.Reason))
	}
}

func (p *tailPrinter) position(feature string, late bool) error {
	line := geo.EscapeLineBreaks([]byte(feature)) // older hubs do not
	if bytes.ContainsAny(line, "\r\n") {          // no hub sends these, but one position is one line
		var compact bytes.Buffer
		if json.Compact(&compact, line) == nil {
			line = compact.Bytes()
		} else {
			line = []byte(client.Printable(feature))
		}
	}
	if p.text {
		line = []byte(p.clock.textLine(line, late))
	}
	if err := p.write(append(line, '\n')); err != nil {
		return err
	}
	if p.left--; p.left == 0 {
		return errDone
	}
	return nil
}

func (p *tailPrinter) gone(data string) error {
	var gone struct {
		VehicleID string `json:"vehicle_id"`
		Reason    string `json:"reason"`
	}
	json.Unmarshal([]byte(data), &gone)
	vehicle, reason := client.Printable(gone.VehicleID), client.Printable(gone.Reason)
	if !p.text {
		p.notice("%s is gone (%s)", vehicle, reason)
		return nil
	}
	now := time.Now().Format(time.DateTime)
	return p.write(fmt.Appendf(nil, "%s  %-20s gone (%s)\n", now, vehicle, reason))
}

// write writes to out. A closed pipe, such as that of head, ends the tail without a failure.
func (p *tailPrinter) write(line []byte) error {
	_, err := p.out.Write(line)
	if errors.Is(err, errPipe) || errors.Is(err, io.ErrClosedPipe) {
		return errDone
	}
	return err
}

// tailPosition is the part of a Feature that a text line shows.
type tailPosition struct {
	Geometry struct {
		Coordinates []float64 `json:"coordinates"` // longitude, latitude
	} `json:"geometry"`
	Properties struct {
		VehicleID string   `json:"vehicle_id"`
		SpeedKMH  *float64 `json:"speed_kmh"`
		Heading   *float64 `json:"heading"`
		Timestamp float64  `json:"timestamp"`

		rhythm
	} `json:"properties"`
}

// textLine returns a Feature as an aligned line. It returns an unreadable one as it came.
func (c hubClock) textLine(feature []byte, late bool) string {
	var p tailPosition
	if json.Unmarshal(feature, &p) != nil || len(p.Geometry.Coordinates) < 2 {
		return client.Printable(string(feature))
	}
	at := time.UnixMilli(int64(p.Properties.Timestamp * 1000))
	line := fmt.Sprintf("%s  %-20s %11.6f %11.6f %9s %5s %9s",
		at.Format(time.DateTime), client.Printable(p.Properties.VehicleID),
		p.Geometry.Coordinates[1], p.Geometry.Coordinates[0],
		measure(p.Properties.SpeedKMH, " km/h"), measure(p.Properties.Heading, "°"), age(c.now().Sub(at)))
	switch limit := p.Properties.staleAfter(p.Properties.SpeedKMH); {
	case late:
		line += "  late"
	case c.silence(at) > geo.LostAfter*limit:
		line += "  lost"
	case c.silence(at) > limit:
		line += "  stale"
	}
	return strings.TrimRight(line, " ")
}

// measure returns a rounded number with its unit, or "" for nil.
func measure(v *float64, unit string) string {
	if v == nil {
		return ""
	}
	return fmt.Sprintf("%.0f%s", math.Abs(math.Round(*v)), unit)
}

// age returns a duration in its largest unit.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", max(0, d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	if d < 2*365*day {
		return fmt.Sprintf("%d d", d/day)
	}
	return fmt.Sprintf("%d years", d/(365*day))
}
