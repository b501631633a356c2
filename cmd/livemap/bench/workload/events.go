package workload

import (
	"io"
	"strconv"
	"time"
)

// FirstNumber is what the first event's "n" is: from here on numbers have as many
// digits, so that all events have as many bytes.
const FirstNumber = 100_000_000

// Events makes the events of a run, for publishers and for floors. Floors make them as the hub
// would.
type Events struct {
	Vehicles int // that report in turn
	Groups   int // vehicles are in groups in turn, each in an area of its own; 0 is one group
	Topics   bool
	Rare     int // one in so many events is of the last vehicle, none of the others; 0 is in turn, too
}

// vehicle returns the number of the vehicle that event n is of.
func (e Events) vehicle(n int) int {
	switch {
	case e.Rare == 0:
		return n % max(e.Vehicles, 1)
	case n%e.Rare == 0:
		return e.Vehicles - 1
	}
	return n % (e.Vehicles - 1)
}

// group returns the group of a vehicle.
func (e Events) group(vehicle int) int { return vehicle % max(e.Groups, 1) }

// VehicleID returns a vehicle's id; all have the same length.
func VehicleID(vehicle int) string { return "bench-" + strconv.Itoa(1_000_000+vehicle) }

// Topic returns the topic of a group.
func (e Events) Topic(group int) string { return "group:" + strconv.Itoa(group) }

// Area returns the box of a group: west, south, east, north in degrees.
func (e Events) Area(group int) (w, s, east, n float64) {
	w = -179 + 3*float64(group%100)
	s = -60 + 2*float64(group/100)
	return w, s, w + 2, s + 1
}

// AppendPosition appends event n as a position object for POST /publish. Its time
// is when it is due.
func (e Events) AppendPosition(b []byte, n int, due time.Time) []byte {
	vehicle := e.vehicle(n)
	lon, lat := e.coordinates(n)
	b = append(b, `{"vehicle_id":"`...)
	b = append(b, VehicleID(vehicle)...)
	b = append(b, `","lat":`...)
	b = strconv.AppendFloat(b, lat, 'f', 6, 64)
	b = append(b, `,"lon":`...)
	b = strconv.AppendFloat(b, lon, 'f', 6, 64)
	b = appendTelemetry(append(b, ','), n, due)
	if e.Topics {
		b = append(b, `,"topics":["`...)
		b = append(append(b, e.Topic(e.group(vehicle))...), `"]`...)
	}
	return append(b, '}')
}

// AppendFeature appends event n as the Feature that the hub makes of it.
func (e Events) AppendFeature(b []byte, n int, due time.Time) []byte {
	id := VehicleID(e.vehicle(n))
	lon, lat := e.coordinates(n)
	b = append(append(b, `{"type":"Feature","id":"`...), id...)
	b = append(b, `","geometry":{"type":"Point","coordinates":[`...)
	b = strconv.AppendFloat(b, lon, 'f', 6, 64)
	b = strconv.AppendFloat(append(b, ','), lat, 'f', 6, 64)
	b = append(append(b, `]},"properties":{"vehicle_id":"`...), id...)
	b = appendTelemetry(append(b, `",`...), n, due)
	return append(b, "}}"...)
}

// AppendSSE appends event n as a server-sent event of at least size bytes, in the form of the hub's.
func (e Events) AppendSSE(b []byte, n int, due time.Time, size int) []byte {
	var room [64]byte
	id := append(strconv.AppendInt(append(room[:0], "\nid: bench-"...), int64(n), 10), "\n\n"...)
	begin := len(b)
	b = e.AppendFeature(append(b, "data: "...), n, due)
	for len(b)-begin < size-len(id) { // white space may follow JSON
		b = append(b, ' ')
	}
	return append(b, id...)
}

func appendTelemetry(b []byte, n int, due time.Time) []byte {
	b = append(b, `"speed_kmh":85.5,"heading":270,"n":`...)
	b = strconv.AppendInt(b, int64(FirstNumber+n), 10)
	b = append(b, `,"timestamp":`...)
	return strconv.AppendInt(b, due.Unix(), 10)
}

// coordinates returns where event n happened: in the area of its group, and never
// with fewer than six decimals.
func (e Events) coordinates(n int) (lon, lat float64) {
	w, s, _, _ := e.Area(e.group(e.vehicle(n)))
	step := float64(n%90_000)*1e-5 + float64(n%9+1)*1e-6
	return w + 0.05 + step, s + 0.05 + step
}

// AppendArray appends events [from, to) as one JSON document.
func (e Events) AppendArray(b []byte, from, to int, at time.Time) []byte {
	for n := from; n < to; n++ {
		b = e.AppendPosition(append(b, ','), n, at)
	}
	b = append(b, ']')
	b[0] = '['
	return b
}

// WriteLines writes events [from, to) as NDJSON.
func (e Events) WriteLines(w io.Writer, from, to int, at time.Time) error {
	var lines []byte
	for n := from; n < to; n++ {
		lines = append(e.AppendPosition(lines, n, at), '\n')
		if len(lines) < 60<<10 && n < to-1 {
			continue
		}
		if _, err := w.Write(lines); err != nil {
			return err
		}
		lines = lines[:0]
	}
	return nil
}
