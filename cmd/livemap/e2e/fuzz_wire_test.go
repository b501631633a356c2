package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// eventReader reads Server-Sent Events as browsers do. It is written from WHATWG HTML, 9.2.5 and
// 9.2.6, alone, and accepts forms that no hub sends, such as carriage returns.
type eventReader struct {
	in     *bufio.Reader
	begun  bool
	skipLF bool // the last line ended in CR: LF after it is of that end
	id     string
}

// next dispatches the next event. The name of an unnamed one is "message".
func (r *eventReader) next() (e wireEvent, err error) {
	var name, data string
	for {
		line, err := r.line()
		if err != nil {
			return e, err
		}
		if line == "" {
			if data == "" {
				name = ""
				continue
			}
			if name == "" {
				name = "message"
			}
			return wireEvent{r.id, name, strings.TrimSuffix(data, "\n")}, nil
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			data += value + "\n"
		case "id":
			if !strings.Contains(value, "\x00") {
				r.id = value
			}
		}
	}
}

// line reads up to CR, LF or both, and takes a byte order mark off the first.
func (r *eventReader) line() (string, error) {
	var line []byte
	for {
		b, err := r.in.ReadByte()
		if err != nil {
			return "", err
		}
		after := r.skipLF
		r.skipLF = b == '\r'
		switch {
		case b == '\n' && after:
			continue
		case b != '\n' && b != '\r':
			line = append(line, b)
			continue
		}
		text := strings.ToValidUTF8(string(line), "\ufffd")
		if !r.begun {
			r.begun, text = true, strings.TrimPrefix(text, "\ufeff")
		}
		return text, nil
	}
}

func TestEventReader(t *testing.T) {
	in := "\ufeffdata: a\n\nid: 1\revent: x\r\ndata\ndata:  b\r\r\n\n:c\nid: 2\n\nid: \x00\nData: " +
		"no\ndata:\"\xff\"\nfoo: bar\n\ndata: cut"
	r := eventReader{in: bufio.NewReader(strings.NewReader(in))}
	for _, want := range []wireEvent{{"", "message", "a"}, {"1", "x", "\n b"}, {"2", "message", "\"\ufffd\""}} {
		got, err := r.next()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := r.next()
	require.ErrorIs(t, err, io.EOF)
}

// wireListener follows everything over one protocol.
type wireListener struct {
	name   string
	events eventReader
	body   io.Closer
	seq    int // of the last event
}

// listenToWire opens a stream on each way to the hub: plaintext HTTP/1.1, which
// is taken over from its server, and all three protocols over TLS.
func listenToWire(f testing.TB, hub *runningHub) (listeners []*wireListener) {
	follow := func(name, base string, client *wireClient) {
		resp, err := client.get(context.Background(), base+"/stream", "")
		require.NoError(f, err)
		require.Equal(f, http.StatusOK, resp.StatusCode)
		f.Cleanup(func() { resp.Body.Close() })
		l := &wireListener{name, eventReader{in: bufio.NewReader(resp.Body)}, resp.Body, 0}
		l.until(f, "live")
		listeners = append(listeners, l)
	}
	follow("plaintext", hub.proxy, newWireClient(f, "h1", nil))
	for _, protocol := range protocolNames {
		follow(protocol, hub.public, hub.client(f, protocol))
	}
	return listeners
}

// next returns the next event that is no ping.
func (l *wireListener) next(t testing.TB) wireEvent {
	late := time.AfterFunc(e2eLimit, func() { l.body.Close() })
	defer late.Stop()
	for {
		e, err := l.events.next()
		require.NoError(t, err, "over %s", l.name)
		if e.name != "ping" {
			return e
		}
	}
}

func (l *wireListener) until(t testing.TB, name string) (e wireEvent) {
	for e.name != name {
		e = l.next(t)
	}
	return e
}

// take reads up to an event, each of which must be one line of JSON and have the
// next id, and returns those that are not of vehicles that went.
func (l *wireListener) take(t testing.TB, lastID string) (positions []wireEvent) {
	epoch, last, err := seqOf(lastID)
	require.NoError(t, err)
	for l.seq < last {
		e := l.next(t)
		l.seq++
		require.Equal(t, fmt.Sprintf("%s-%d", epoch, l.seq), e.id, "over %s", l.name)
		require.True(t, json.Valid([]byte(e.data)) && utf8.ValidString(e.data), "over %s: %q", l.name, e.data)
		require.NotContains(t, e.data, "\n", "over %s", l.name)
		if e.name != "gone" {
			require.Contains(t, []string{"message", "late"}, e.name)
			positions = append(positions, e)
		}
	}
	return positions
}

// FuzzWire publishes anything to a running hub: each position that it takes comes
// out of every stream, over each protocol, as exactly one event of one line of
// JSON, and so does its end.
func FuzzWire(f *testing.F) {
	types := []string{"application/json", "application/x-ndjson", "application/geo+json"}
	position := `{"vehicle_id":"TRUCK-042","lat":52.520008,"lon":13.404954,"speed_kmh":85,` +
		`"timestamp":1795421061}`
	f.Add(uint8(0), []byte(position), true)
	f.Add(uint8(1), []byte(position+"\r\n\n"+position+"\n{\"vehicle_id\":7,\"lat\":1,\"lon\":2}"), false)
	f.Add(uint8(0), []byte("[{\"vehicle_id\":\"\u2028\u2029\",\"lat\":-0,\"lon\":1E-9,"+
		"\"\\r\":[\"\\n\\u0000\\ud800\", {\"data\" :\n\": \"}]}]"), true)
	f.Add(uint8(2), []byte(`{"type":"FeatureCollection","features":[{"type":"Feature","id":"%2F ü/",`+
		`"geometry":{"type":"Point","coordinates":[1,2,3]},"properties":null}]}`), true)
	f.Add(uint8(0), []byte(`{"vehicle_id":"late","lat":1,"lon":1,"timestamp":900000001,"topics":["a\u2028b"],`+
		`"event":"bye","id":"x"}`), false)
	hub := startHub(f, "--journal", "off", "--max-vehicles", "1000", "--flush-interval", "1ms")
	listeners := listenToWire(f, hub)
	f.Fuzz(func(t *testing.T, form uint8, body []byte, remove bool) {
		_, _, text := hub.post(t, types[int(form)%len(types)], string(body))
		var ack struct {
			Accepted    int
			LastEventID string `json:"last_event_id"`
		}
		require.NoError(t, json.Unmarshal([]byte(text), &ack), text)
		if ack.Accepted == 0 {
			return
		}
		for _, l := range listeners {
			positions := l.take(t, ack.LastEventID)
			require.Len(t, positions, ack.Accepted, "over %s", l.name)
			if l != listeners[len(listeners)-1] || !remove {
				continue
			}
			hub.removeOverWire(t, listeners, positions[0])
		}
	})
}

// removeOverWire deletes a position's vehicle, which every stream must report.
func (h *runningHub) removeOverWire(t testing.TB, listeners []*wireListener, position wireEvent) {
	said, err := decode[featureData](position.data)
	require.NoError(t, err)
	require.Equal(t, said.ID, said.Properties.VehicleID)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete,
		h.publish+"/vehicles/"+url.PathEscape(said.ID), nil)
	require.NoError(t, err)
	resp, err := h.operator.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound && position.name == "late" {
		return // it had been deleted before
	}
	require.Equal(t, http.StatusNoContent, resp.StatusCode, said.ID)
	for _, l := range listeners {
		e := l.next(t)
		l.seq++
		gone, err := decode[struct {
			VehicleID string `json:"vehicle_id"`
			Reason    string
		}](e.data)
		require.NoError(t, err, e.data)
		require.Equal(t, []string{"gone", said.ID, "deleted"}, []string{e.name, gone.VehicleID, gone.Reason},
			"over %s", l.name)
	}
}
