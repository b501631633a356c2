package stream

import (
	"bytes"
	"encoding/json"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"github.com/tmaxmax/go-sse"

	"livemap/geo"
)

// FuzzEventFrames frames any position. The parser of go-sse must read it as exactly one event.
func FuzzEventFrames(f *testing.F) {
	f.Add([]byte(`{"vehicle_id":"TRUCK-042",`+
		`"lat":52.520008,"lon":13.404954,"speed_kmh":85,"timestamp":1795421061}`), uint64(1207))
	f.Add([]byte(`{"vehicle_id":"ü<&>\"\\\u2028\r\n",`+
		`"lat":-90,"lon":180,"altitude":1,"x":{"data":[" ","\ufeff"]}}`), uint64(0))
	f.Add([]byte(`{"type":"Feature","id":7,"geometry":{"type":"Point","coordinates":[1,2]},`+
		`"properties":{"id":": "}}`), uint64(1<<64-1))
	f.Fuzz(func(t *testing.T, item []byte, seq uint64) {
		p, err := geo.ParsePosition(item)
		if err != nil {
			return
		}
		at := p.Time
		if at.IsZero() {
			at = time.Unix(1795421061, 123e6)
		}
		id := ID{"mh3k2p", seq}.String()
		data := string(p.AppendFeature(nil, at))
		checkFrame(t, framePosition(nil, "mh3k2p", number(seq), &p, at), sse.Event{LastEventID: id, Data: data})
		checkFrame(t, frameLate(nil, "mh3k2p", number(seq), &p, at),
			sse.Event{LastEventID: id, Type: "late", Data: data})
		for _, reason := range []GoneReason{Left, Expired, Deleted} {
			name, err := json.Marshal(p.VehicleID)
			require.NoError(t, err)
			event := frameGone(nil, "mh3k2p", number(seq), p.VehicleID, reason)
			require.Equal(t, string(event.text), string(appendGone(nil, "mh3k2p", number(seq), p.VehicleID, reason)))
			var said struct {
				VehicleID string `json:"vehicle_id"`
				Reason    string
			}
			require.NoError(t, json.Unmarshal(event.feature(), &said), "name %s", name)
			require.Equal(t, p.VehicleID, said.VehicleID)
			require.Equal(t, string(reason), said.Reason)
			checkFrame(t, event, sse.Event{LastEventID: id, Type: "gone", Data: string(event.feature())})
		}
	})
}

func checkFrame(t *testing.T, event frame, want sse.Event) {
	t.Helper()
	require.Equal(t, want.Data, string(event.feature()))
	lines := "data: " + want.Data + "\nid: " + want.LastEventID + "\n\n"
	if want.Type != "" {
		lines = "event: " + want.Type + "\n" + lines
	}
	require.Equal(t, lines, string(event.text))

	// It is one event between two others, too.
	around := appendControl(nil, "before", "", "{}")
	bytes := append(append(bytes.Clone(around), event.text...), around...)
	require.Equal(t, []sse.Event{{Type: "before", Data: "{}"}, want,
		{LastEventID: want.LastEventID, Type: "before", Data: "{}"}}, parse(t, bytes))
	want.LastEventID = ""
	require.Equal(t, []sse.Event{want}, parse(t, event.appendWithoutID(nil)))
}

func parse(t *testing.T, text []byte) (events []sse.Event) {
	t.Helper()
	for event, err := range sse.Read(bytes.NewReader(text), nil) {
		require.NoError(t, err)
		events = append(events, event)
	}
	return events
}

func TestControlEvents(t *testing.T) {
	at := time.Unix(1795421061, 123e6)
	text := appendGreeting(nil, 1234*time.Millisecond, "e-7", at, 0)
	text = appendControl(text, "reset", "", `{"reason":"new"}`)
	text = appendControl(text, "ping", "e-8", string(appendClock([]byte("{"), at, 0)))
	require.Equal(t, []sse.Event{
		{LastEventID: "e-7", Type: "ping", Data: `{"time":1795421061.123}`},
		{LastEventID: "e-7", Type: "reset", Data: `{"reason":"new"}`},
		{LastEventID: "e-8", Type: "ping", Data: `{"time":1795421061.123}`},
	}, parse(t, text))
}

// The largest event must fit into a buffer and a segment.
func TestLargestEventFits(t *testing.T) {
	p := geo.Position{VehicleID: string(bytes.Repeat([]byte(`"`), geo.MaxVehicleID))}
	feature := len(p.AppendFeature(nil, time.Unix(1, 0)))
	frame := len(frameLate(nil, NewEpoch(), 1<<64-1, &p, time.Unix(1, 0)).text) - feature
	live := appendControl(nil, "live", ID{NewEpoch(), 1<<64 - 1}.String(),
		`{"mode":"conflated","events":18446744073709551615,"skipped":18446744073709551615,`+
			`"protocol":"h3","time":1795421061.123}`)
	require.Less(t, geo.MaxFeature+frame+len(live), chunkSize+1024)
	require.Less(t, geo.MaxFeature+frame, minSegmentSize)
	require.Less(t, len(appendGone(nil, NewEpoch(), 1<<64-1, p.VehicleID, Expired)), chunkSize)
}

// What surrounds the data fits into a byte each, even with the longest name and id.
func TestDataOfTheLongestFrame(t *testing.T) {
	longest := ID{strconv.FormatUint(1<<64-1, 36), 1<<64 - 1}
	p := geo.Position{VehicleID: "a"}
	data := string(p.AppendFeature(nil, time.Unix(1, 0)))
	used := []byte("what buf held is not before it")
	event := frameLate(used, longest.Epoch, number(longest.Number), &p, time.Unix(1, 0))
	require.Equal(t, "event: late\ndata: "+data+"\nid: "+longest.String()+"\n\n", string(event.text))
	require.EqualValues(t, 18, event.dataAt)
	require.EqualValues(t, 41, event.idSize)
	require.Equal(t, data, string(event.feature()))
	require.Equal(t, "event: late\ndata: "+data+"\n\n", string(event.appendWithoutID(nil)))
}

// Records and vehicles are what a log and a fleet cost besides the bytes of events. A vehicle is
// two cache lines.
func TestRecordsAndVehiclesDoNotGrow(t *testing.T) {
	require.Equal(t, 80, recordSize)
	require.EqualValues(t, 128, unsafe.Sizeof(vehicle{}))
}
