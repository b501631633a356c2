package geo

import (
	"bytes"
	"time"
)

// TrackEncoder appends the track of a vehicle piece by piece: a Feature of a LineString through positions.
// Append the start, each position, the properties, the time of each position, and the end. The zero value
// is ready for AppendStart.
//
// A LineString needs two positions (RFC 7946, section 3.1.4). The geometry of one position is a Point, and
// that of none is null (section 3.2). A track that crosses the antimeridian is not cut there, so that its
// positions and times stay in step.
type TrackEncoder struct {
	vehicleID        string
	positions, times int
	first            []byte // coordinates of the first position, not appended before the second comes
}

// AppendStart appends what stands before the positions.
func (e *TrackEncoder) AppendStart(dst []byte, vehicleID string) []byte {
	e.vehicleID = vehicleID
	dst = append(dst, featureStart...)
	dst = AppendString(dst, vehicleID)
	return append(dst, `,"geometry":`...)
}

// AppendPosition appends coordinates, as [Coordinates] returns them. It keeps no reference to them.
func (e *TrackEncoder) AppendPosition(dst, coordinates []byte) []byte {
	e.positions++
	switch e.positions {
	case 1:
		e.first = append(e.first, coordinates...)
		return dst
	case 2:
		dst = append(dst, `{"type":"LineString","coordinates":[`...)
		dst = append(dst, e.first...)
	}
	return append(append(dst, ','), coordinates...)
}

// AppendProperties appends what stands between the positions and their times.
func (e *TrackEncoder) AppendProperties(dst []byte) []byte {
	switch e.positions {
	case 0:
		dst = append(dst, `null`...)
	case 1:
		dst = append(dst, `{"type":"Point","coordinates":`...)
		dst = append(append(dst, e.first...), '}')
	default:
		dst = append(dst, `]}`...)
	}
	dst = append(dst, `,"properties":{"vehicle_id":`...)
	dst = AppendString(dst, e.vehicleID)
	return append(dst, `,"timestamps":[`...)
}

// AppendTime appends the time of the next position.
func (e *TrackEncoder) AppendTime(dst []byte, at time.Time) []byte {
	if e.times++; e.times > 1 {
		dst = append(dst, ',')
	}
	return AppendTime(dst, at)
}

// AppendEnd appends what stands after the times.
func (e *TrackEncoder) AppendEnd(dst []byte) []byte { return append(dst, `]}}`...) }

// Coordinates returns the coordinates array of a Feature that [Position.AppendFeature] made, including its
// brackets.
func Coordinates(feature []byte) []byte {
	// An id before it cannot hold this text: its quotes are escaped.
	start := bytes.Index(feature, []byte(geometryStart)) + len(geometryStart) - 1
	end := bytes.IndexByte(feature[start:], ']')
	return feature[start:][:end+1]
}

// Timestamp returns the timestamp of a Feature that [Position.AppendFeature] made, in Unix seconds.
func Timestamp(feature []byte) []byte {
	start := bytes.LastIndex(feature, []byte(timestampStart)) + len(timestampStart)
	end := bytes.IndexAny(feature[start:], ",}")
	return feature[start:][:end]
}
