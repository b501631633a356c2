package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// eventSource is a client's parser of event streams, over as many connections as it takes. The zero value
// parses as WHATWG HTML, section 9.2.6, says. Clients differ from it.
type eventSource struct {
	remembersLines bool // an id counts when its line was read, not when its event ends
	forgetsEmpty   bool // an id without data is none
	keepsPart      bool // the next connection continues what the last one left
	endsLines      string

	line, name, data string
	hasData          bool
	id, lastID       string
	hasID            bool
	dispatched       []dispatched
}

// dispatched is an event as a page gets it.
type dispatched struct{ name, data, lastID string }

// eventSources are clients by what they do at a cut.
var eventSources = map[string]eventSource{
	"standard, as Chromium":           {},
	"Firefox":                         {forgetsEmpty: true},
	"@microsoft/fetch-event-source 2": {remembersLines: true},
	"WebKit":                          {forgetsEmpty: true, keepsPart: true},
	"httpx, by Python's splitlines":   {endsLines: "\v\f\x1c\x1d\x1e\u0085\u2028\u2029"},
}

// read reads the text of one connection, which is then cut.
func (s *eventSource) read(text string) {
	if !s.keepsPart {
		s.line, s.name, s.data, s.hasData, s.hasID = "", "", "", false, false
	}
	for {
		end := strings.IndexAny(text, "\n"+s.endsLines)
		if end < 0 {
			s.line += text
			return
		}
		_, size := utf8.DecodeRuneInString(text[end:])
		s.endLine(s.line + text[:end])
		s.line, text = "", text[end+size:]
	}
}

func (s *eventSource) endLine(line string) {
	field, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch {
	case line == "":
		s.endEvent()
	case field == "event":
		s.name = value
	case field == "data":
		s.data, s.hasData = s.data+value+"\n", true
	case field == "id":
		if s.id, s.hasID = value, true; s.remembersLines {
			s.lastID = value
		}
	}
}

func (s *eventSource) endEvent() {
	if s.hasID && (s.hasData || !s.forgetsEmpty) {
		s.lastID, s.hasID = s.id, false
	}
	if s.hasData {
		s.dispatched = append(s.dispatched, dispatched{s.name, strings.TrimSuffix(s.data, "\n"), s.lastID})
	}
	s.name, s.data, s.hasData = "", "", false
}

// cutHub is a hub whose readers are cut. Nothing is published any more.
type cutHub struct {
	*stream.Hub
	query  stream.Query
	events []dispatched // with an id, in order; pings are not among them
	texts  map[string]string
}

// newCutHub returns a hub and the text of a stream that saw every kind of event.
func newCutHub(t *testing.T, start string) (h *cutHub, whole string) {
	h = &cutHub{Hub: quietHub(t), query: fleetQuery, texts: map[string]string{}}
	h.query.Ping = 5 * time.Second
	publish(t, h.Hub, "parked", "")
	publish(t, h.Hub, "a", `"timestamp":900000007`)
	publish(t, h.Hub, "b", "\"\u2028\":\"\u0085\u2029 data: x\\n\\n\"")
	if h.query.LastEventID = start; start != "" {
		h.query.LastEventID = h.Head().Epoch + start
	}
	c := listen(t, h.Hub, h.query)
	text := c.takeText()
	for _, timestamp := range []string{"900000009", "900000008", "900000010"} {
		publish(t, h.Hub, "a", `"timestamp":`+timestamp)
		h.Delete("b")
		time.Sleep(5 * time.Second)
		text += c.takeText()
	}
	c.close()
	for _, name := range []string{"late", "gone", "ping", "live"} {
		require.Contains(t, text, "\nevent: "+name)
	}
	s := eventSource{}
	s.read(text)
	for _, e := range s.dispatched {
		if e.name == "ping" {
			continue
		}
		h.events = append(h.events, e)
	}
	return h, text
}

// textFrom returns the text of a stream up to `live`.
func (h *cutHub) textFrom(t *testing.T, lastID string) string {
	if text, ok := h.texts[lastID]; ok {
		return text
	}
	q, text := h.query, ""
	q.LastEventID = lastID
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	h.Subscribe(q).Serve(ctx, func(p []byte) error {
		if text += string(p); strings.Contains(text, "event: live\n") {
			return errors.New("enough")
		}
		return nil
	})
	h.texts[lastID] = text
	return text
}

// A connection is cut at every byte, and so is the greeting of the next one. No client loses an event, gets
// one twice, or gets one that was never sent. There are two exceptions, one byte of each event:
//
//   - A client that remembers an id with its line loses an event that is cut behind that line.
//   - A client that keeps a part, and has no id yet, takes that of its first event when it is cut there. It
//     loses the event if the next connection is cut before the event comes again.
func TestCutAtEveryByte(t *testing.T) {
	for name, start := range map[string]string{"the whole state": "", "from an id": "-0"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, whole := newCutHub(t, start)
				for name, client := range eventSources {
					client.lastID = h.query.LastEventID
					for at := range len(whole) {
						s := client
						s.read(whole[:at])
						behindID := s.hasID && s.line == "" && whole[at] == '\n' // before the blank line
						excepted := behindID && (s.remembersLines || s.keepsPart && s.lastID == "")
						greeting := "" // a parser that begins anew need not be cut again
						if s.keepsPart {
							greeting, _, _ = strings.Cut(h.textFrom(t, s.lastID), "\n\n")
							greeting += "\n\n"
						}
						for again := range len(greeting) + 1 {
							twice := s
							twice.dispatched = slices.Clone(s.dispatched)
							if again > 0 {
								twice.read(greeting[:again])
							}
							twice.read(h.textFrom(t, twice.lastID))
							if err := h.check(twice.dispatched, start != ""); err != nil && !excepted {
								require.NoError(t, err, "%s, cut behind %q and %q", name, whole[:at], greeting[:again])
							}
						}
					}
				}
			})
		})
	}
}

// check returns an error if a client that saw these events lost or misread one.
func (h *cutHub) check(seen []dispatched, resumed bool) error {
	var told []dispatched
	held, repeated := map[string]string{}, map[string]bool(nil)
	for _, e := range seen {
		switch e.name {
		case "ping":
			continue
		case "reset":
			repeated = map[string]bool{}
			continue
		case "live":
			for vehicle := range held {
				if repeated != nil && !repeated[vehicle] {
					delete(held, vehicle)
				}
			}
			repeated = nil
			continue
		}
		if !slices.Contains(h.events, e) {
			return fmt.Errorf("%q was never sent", e)
		}
		told = append(told, e)
		vehicle := between(e.data, `"vehicle_id":"`, `"`)
		switch e.name {
		case "":
			held[vehicle] = e.data
			if repeated != nil {
				repeated[vehicle] = true
			}
		case "gone":
			delete(held, vehicle)
		}
	}
	a, _, _ := h.Vehicle("a")
	parked, _, _ := h.Vehicle("parked")
	if len(held) != 2 || held["a"] != string(a) || held["parked"] != string(parked) {
		return fmt.Errorf("holds %q", held)
	}
	isLive := func(e dispatched) bool { return e.name == "live" }
	if resumed && !slices.Equal(told, slices.DeleteFunc(slices.Clone(h.events), isLive)) {
		return fmt.Errorf("got %q", told)
	}
	return nil
}

// The id of a quiet stream stays in the log, whatever its client remembers, and however often it is pinged.
func TestQuietStreamResumes(t *testing.T) {
	for _, ping := range []time.Duration{0, 5 * time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			h := start(t, stream.Config{History: 256 << 10})
			publish(t, h, "parked", `"topics":["depot:7"]`)
			q := stream.Query{Topics: []string{"depot:7"}, Ping: ping}
			c := listen(t, h, q)
			text := c.takeText()
			for range 4 {
				fillLog(t, h, "a", 512<<10) // twice the log
				time.Sleep(15 * time.Second)
				text += c.takeText()
			}
			for name, s := range eventSources {
				s.read(text)
				require.Equal(t, fmt.Sprintf("%d live replay 0 0", h.Head().Number), resume(t, h, q, s.lastID), name)
			}
		})
	}
}
