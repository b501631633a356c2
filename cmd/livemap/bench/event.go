package bench

import (
	"io"
	"strconv"
	"time"
)

// firstNumber is what the first event's "n" is: from here on numbers have as many
// digits, so that all events have as many bytes.
const firstNumber = 100_000_000

// events makes the events of a run, for those who publish them and for floors,
// which make them as the hub would.
type events struct {
	vehicles int // that report in turn
	groups   int // vehicles are in groups in turn, each in an area of its own; 0 is one group
	topics   bool
	rare     int // one in so many events is of the last vehicle, none of the others; 0 is in turn, too
}

// vehicle gives the number of the vehicle that event n is of.
func (e events) vehicle(n int) int {
	switch {
	case e.rare == 0:
		return n % max(e.vehicles, 1)
	case n%e.rare == 0:
		return e.vehicles - 1
	}
	return n % (e.vehicles - 1)
}

// group gives the group of a vehicle.
func (e events) group(vehicle int) int { return vehicle % max(e.groups, 1) }

// vehicleID gives a vehicle's id; all have the same length.
func vehicleID(vehicle int) string { return "bench-" + strconv.Itoa(1_000_000+vehicle) }

// topic gives the topic of a group.
func (e events) topic(group int) string { return "group:" + strconv.Itoa(group) }

// area gives the box of a group: west, south, east, north in degrees.
func (e events) area(group int) (w, s, east, n float64) {
	w = -179 + 3*float64(group%100)
	s = -60 + 2*float64(group/100)
	return w, s, w + 2, s + 1
}

// appendPosition appends event n as a position object for POST /publish. Its time
// is when it is due.
func (e events) appendPosition(b []byte, n int, due time.Time) []byte {
	vehicle := e.vehicle(n)
	lon, lat := e.coordinates(n)
	b = append(b, `{"vehicle_id":"`...)
	b = append(b, vehicleID(vehicle)...)
	b = append(b, `","lat":`...)
	b = strconv.AppendFloat(b, lat, 'f', 6, 64)
	b = append(b, `,"lon":`...)
	b = strconv.AppendFloat(b, lon, 'f', 6, 64)
	b = appendTelemetry(append(b, ','), n, due)
	if e.topics {
		b = append(b, `,"topics":["`...)
		b = append(append(b, e.topic(e.group(vehicle))...), `"]`...)
	}
	return append(b, '}')
}

// appendFeature appends event n as the Feature that the hub makes of it.
func (e events) appendFeature(b []byte, n int, due time.Time) []byte {
	id := vehicleID(e.vehicle(n))
	lon, lat := e.coordinates(n)
	b = append(append(b, `{"type":"Feature","id":"`...), id...)
	b = append(b, `","geometry":{"type":"Point","coordinates":[`...)
	b = strconv.AppendFloat(b, lon, 'f', 6, 64)
	b = strconv.AppendFloat(append(b, ','), lat, 'f', 6, 64)
	b = append(append(b, `]},"properties":{"vehicle_id":"`...), id...)
	b = appendTelemetry(append(b, `",`...), n, due)
	return append(b, "}}"...)
}

// appendSSE appends event n as a server-sent event of at least size bytes.
func (e events) appendSSE(b []byte, n int, due time.Time, size int) []byte {
	begin := len(b)
	b = strconv.AppendInt(append(b, "id: bench-"...), int64(n), 10)
	b = e.appendFeature(append(b, "\ndata: "...), n, due)
	for len(b)-begin < size-2 { // white space may follow JSON
		b = append(b, ' ')
	}
	return append(b, "\n\n"...)
}

func appendTelemetry(b []byte, n int, due time.Time) []byte {
	b = append(b, `"speed_kmh":85.5,"heading":270,"n":`...)
	b = strconv.AppendInt(b, int64(firstNumber+n), 10)
	b = append(b, `,"timestamp":`...)
	return strconv.AppendInt(b, due.Unix(), 10)
}

// coordinates gives where event n happened: in the area of its group, and never
// with fewer than six decimals.
func (e events) coordinates(n int) (lon, lat float64) {
	w, s, _, _ := e.area(e.group(e.vehicle(n)))
	step := float64(n%90_000)*1e-5 + float64(n%9+1)*1e-6
	return w + 0.05 + step, s + 0.05 + step
}

// array gives events [from, to) as one JSON document.
func (e events) array(b []byte, from, to int, at time.Time) []byte {
	for n := from; n < to; n++ {
		b = e.appendPosition(append(b, ','), n, at)
	}
	b = append(b, ']')
	b[0] = '['
	return b
}

// lines writes events [from, to) as NDJSON.
func (e events) lines(w io.Writer, from, to int, at time.Time) error {
	var lines []byte
	for n := from; n < to; n++ {
		lines = append(e.appendPosition(lines, n, at), '\n')
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
