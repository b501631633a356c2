package geo_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo"
)

func TestAccuracyAndAltitude(t *testing.T) {
	for item, want := range map[string][2]int64{
		`{"vehicle_id":"a","lat":1,"lon":2}`:                                               {0, -1},
		`{"vehicle_id":"a","lat":1,"lon":2,"accuracy":5.25}`:                               {5250, -1},
		`{"vehicle_id":"a","lat":1,"lon":2,"accuracy":null}`:                               {0, -1},
		`{"vehicle_id":"a","lat":1,"lon":2,"accuracy":1e300,"altitude":-12.5}`:             {1e12, -12500},
		`{"vehicle_id":"a","lat":1,"lon":2,"altitude":8848.4567}`:                          {0, 8848457},
		`{"vehicle_id":"a","x":{"accuracy":7,"y":[1,"]}"]},"lat":1,"lon":2,"accuracy":3}`:  {3000, -1},
		`{"vehicle_id":"a","x":{"accuracy":7},"y":"\"accuracy\":1","lat":1,"lon":2}`:       {0, -1},
		`{"vehicle_id":"a,\"accuracy\":9","lat":1,"lon":2,"z":"","speed_kmh":3}`:           {0, -1},
		`{"vehicle_id":"a","accuracy":4,"lat":1,"lon":2,"timestamp":1795421061.5,"q":"é"}`: {4000, -1},
	} {
		p, err := geo.ParsePosition([]byte(item))
		require.NoError(t, err)
		feature := p.AppendFeature(nil, time.Unix(1e9, 0))
		require.Equal(t, want[0], geo.Accuracy(feature), item)
		altitude, ok := geo.Altitude(feature)
		if !ok {
			altitude = -1
		}
		require.Equal(t, want[1], altitude, item)
	}
}
