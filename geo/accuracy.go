package geo

import (
	"bytes"
	"math"
	"strconv"
)

// farthest bounds what is read as millimetres. It is far beyond any place on earth.
const farthest = 1e12

// Accuracy returns the accuracy of a Feature that [Position.AppendFeature] made, in whole millimetres; 0: it
// has none.
func Accuracy(feature []byte) int64 { return millimetres(property(feature, "accuracy")) }

// skipValue returns where a value of a valid object ends that begins at i.
func skipValue(b []byte, i int) int {
	for depth := 0; ; i++ {
		switch b[i] {
		case '"':
			i = skipString(b, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
}

// Altitude returns the altitude of a Feature that [Position.AppendFeature] made, in whole millimetres. ok is
// false if it has none.
func Altitude(feature []byte) (altitude int64, ok bool) {
	coordinates := Coordinates(feature)
	last := bytes.LastIndexByte(coordinates, ',')
	if bytes.IndexByte(coordinates, ',') == last {
		return 0, false
	}
	return millimetres(coordinates[last+1:]), true
}

// millimetres returns the metres that a text begins with; 0 where it begins with no number.
func millimetres(text []byte) int64 {
	metres, err := strconv.ParseFloat(string(text[:max(0, skipNumber(text, 0))]), 64)
	if err != nil && math.IsInf(metres, 0) || err == nil {
		return int64(math.Round(max(-farthest, min(farthest, metres*1000))))
	}
	return 0
}
