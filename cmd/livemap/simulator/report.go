package simulator

import (
	"math"
	"strconv"
)

// appendReport appends the report of a vehicle now, as a position object on a line of its own.
// It writes the JSON by hand: a large fleet has a hundred thousand reports per second.
func (f *Fleet) appendReport(dst []byte, v *vehicle) []byte {
	where, heading := f.roads.place(v.hop, v.metres)
	if !f.exactGPS {
		where = moved(where, v.drift[0], v.drift[1])
	}
	dst = append(dst, v.head...)
	dst = appendDecimal(append(dst, `,"lat":`...), where[1], 6)
	dst = appendDecimal(append(dst, `,"lon":`...), where[0], 6)
	milliseconds := f.config.Start.Add(v.at).UnixMilli()
	dst = appendDecimal(append(dst, `,"timestamp":`...), float64(milliseconds)/1000, 3)
	dst = appendDecimal(append(dst, `,"speed_kmh":`...), v.speed*3.6, 1)
	dst = strconv.AppendInt(append(dst, `,"heading":`...), int64(heading+0.5)%360, 10)
	dst = appendDecimal(append(dst, `,"accuracy":`...), 1.5*v.error, 1)
	dst = f.appendState(dst, v)
	// A report that is kept now arrives late, and a hub ignores the topics of late reports.
	if v.topicRound != f.topicRound && v.radio.state == online {
		v.topicRound = f.topicRound
		dst = append(append(dst, `,"topics":["`...), f.depot(v)...)
		dst = append(append(dst, `","kind:`...), traits[v.kind].name...)
		if f.config.Topic != "" {
			dst = append(append(dst, `","`...), f.config.Topic...)
		}
		dst = append(dst, `"]`...)
	}
	return append(dst, "}\n"...)
}

// appendState appends the telemetry beside the position.
func (f *Fleet) appendState(dst []byte, v *vehicle) []byte {
	dst = append(append(dst, `,"status":"`...), statusNames[v.status]...)
	dst = strconv.AppendBool(append(dst, `","engine_on":`...), !v.parked)
	name := `,"fuel_percent":`
	if traits[v.kind].electric {
		name = `,"battery_percent":`
	}
	dst = appendDecimal(append(dst, name...), v.tank*100, 1)
	dst = appendDecimal(append(dst, `,"odometer_km":`...), v.metered/1000, 1)
	if v.far {
		dst = append(append(dst, `,"destination":"`...), cities[v.dest].name...)
		dst = append(dst, '"')
	}
	if v.frost {
		minutes := v.at.Minutes() + float64(v.home)
		dst = appendDecimal(append(dst, `,"temperature_c":`...), -18.5+0.8*math.Sin(minutes/9), 1)
	}
	return dst
}

// appendDecimal appends a number with up to the given digits behind the point, without
// trailing zeros.
func appendDecimal(dst []byte, value float64, digits int) []byte {
	scale := int64(1)
	for range digits {
		scale *= 10
	}
	n := int64(math.Round(value * float64(scale)))
	if n < 0 {
		dst, n = append(dst, '-'), -n
	}
	dst = strconv.AppendInt(dst, n/scale, 10)
	rest := n % scale
	if rest == 0 {
		return dst
	}
	end := len(dst)
	dst = strconv.AppendInt(dst, scale+rest, 10) // its first digit is in place of the point
	dst[end] = '.'
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}
