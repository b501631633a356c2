package geo_test

import (
	"fmt"
	"testing"

	"livemap/geo"

	"github.com/stretchr/testify/require"
)

// awkward is an id that looks like parts of a Feature.
const awkward = `"geometry":{"type":"Point","coordinates":[9,9]},"timestamp":9}}`

func track(t *testing.T, id string, items ...string) string {
	t.Helper()
	var e geo.TrackEncoder
	text := e.AppendStart(nil, id)
	for _, item := range items {
		text = e.AppendPosition(text, geo.Coordinates([]byte(feature(t, item))))
	}
	text = e.AppendProperties(text)
	for _, item := range items {
		at, err := geo.ParseTime(string(geo.Timestamp([]byte(feature(t, item)))))
		require.NoError(t, err)
		text = e.AppendTime(text, at)
	}
	return string(e.AppendEnd(text))
}

func TestTrackEncoder(t *testing.T) {
	first := `{"vehicle_id":"T","lat":52.5,"lon":13.4,"timestamp":1795421005,` +
		`"x":{"timestamp":7,"coordinates":[1,2]}}`
	second := `{"vehicle_id":"T","lat":52.6,"lon":13.50,"altitude":34,"timestamp":1795421006.25}`
	for name, test := range map[string]struct{ got, want string }{
		"no position": {track(t, "T"),
			`{"type":"Feature","id":"T","geometry":null,"properties":{"vehicle_id":"T","timestamps":[]}}`},
		"one position": {track(t, "T", first),
			`{"type":"Feature","id":"T","geometry":{"type":"Point","coordinates":[13.4,52.5]},` +
				`"properties":{"vehicle_id":"T","timestamps":[1795421005]}}`},
		"two positions": {track(t, "T", first, second),
			`{"type":"Feature","id":"T","geometry":{"type":"LineString","coordinates":[[13.4,52.5],[13.50,52.6,` +
				`34]]},"properties":{"vehicle_id":"T","timestamps":[1795421005,1795421006.25]}}`},
		"an id with quotes": {track(t, `"\`),
			`{"type":"Feature","id":"\"\\","geometry":null,"properties":{"vehicle_id":"\"\\","timestamps":[]}}`},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, test.got) })
	}
}

func TestPiecesOfFeature(t *testing.T) {
	id := string(geo.AppendString(nil, awkward))
	f := []byte(feature(t, fmt.Sprintf(`{"vehicle_id":%s,"lat":1,"lon":2,"timestamp":1795421003.5,"a":%s}`,
		id, id)))
	require.Equal(t, "[2,1]", string(geo.Coordinates(f)))
	require.Equal(t, "1795421003.5", string(geo.Timestamp(f)))
}
