package geo

import "bytes"

// AppendTrack appends the track of a vehicle: a Feature of a LineString through the positions of features.
// [Position.AppendFeature] made the features, and the caller has sorted them. properties.timestamps has
// one time per position.
//
// A LineString needs two positions (RFC 7946, section 3.1.4). The geometry of one position is a Point, and
// that of none is null (section 3.2). A track that crosses the antimeridian is not cut there, so that its
// positions and times stay in step.
func AppendTrack(dst []byte, vehicleID string, features [][]byte) []byte {
	dst = append(dst, featureStart...)
	dst = AppendString(dst, vehicleID)
	dst = append(dst, `,"geometry":`...)
	switch len(features) {
	case 0:
		dst = append(dst, `null`...)
	case 1:
		dst = append(dst, `{"type":"Point","coordinates":`...)
		dst = append(dst, Coordinates(features[0])...)
		dst = append(dst, '}')
	default:
		dst = append(dst, `{"type":"LineString","coordinates":[`...)
		dst = appendEach(dst, features, Coordinates)
		dst = append(dst, `]}`...)
	}
	dst = append(dst, `,"properties":{"vehicle_id":`...)
	dst = AppendString(dst, vehicleID)
	dst = append(dst, `,"timestamps":[`...)
	dst = appendEach(dst, features, Timestamp)
	return append(dst, `]}}`...)
}

// appendEach appends a part of each feature, with commas between them.
func appendEach(dst []byte, features [][]byte, piece func([]byte) []byte) []byte {
	for i, feature := range features {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, piece(feature)...)
	}
	return dst
}

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
	start := bytes.LastIndexByte(feature, ':') + 1
	return feature[start : len(feature)-len(featureEnd)]
}
