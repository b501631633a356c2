package geofence_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/geo/geofence"
)

// TestBoundsHoldTheFence has fences of all kinds everywhere: no point inside is outside of their bounds.
func TestBoundsHoldTheFence(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	var fences []*geofence.Fence
	for range 60 {
		lon, lat := random.Float64()*360-180, random.Float64()*180-90
		fences = append(fences, fence(t, polygon(star(random, lon, max(-85, min(85, lat)), 0.5)), ""))
		at := around(lon, lat, 0.001, 0)
		fences = append(fences, fence(t, fmt.Sprintf(`{"type":"Point","coordinates":[%v,%v]}`, at[0], at[1]),
			`"radius_m":100000`))
	}
	fences = append(fences,
		fence(t, `{"type":"Polygon","coordinates":[[[0,80],[90,80],[179,80],[-91,80],[0,80]]]}`, ""),
		fence(t, `{"type":"Polygon","coordinates":[[[0,-80],[90,-80],[179,-80],[-91,-80],[0,-80]]]}`, ""),
		fence(t, `{"type":"Polygon","coordinates":[[[170,0],[-170,0],[-170,5],[170,5],[170,0]]]}`, ""),
		fence(t, `{"type":"LineString","coordinates":[[179.9,10],[-179.9,10.1]]}`, `"radius_m":1000`),
	)
	inside := 0
	for _, f := range fences {
		bounds := f.Bounds()
		middle := bounds[0]
		for i := range 2000 {
			p := geo.Point{random.Float64()*360 - 180, random.Float64()*180 - 90}
			if i%4 > 0 { // near
				r := bounds[i%len(bounds)]
				p[0] = max(-180, min(180, r[0][0]+(random.Float64()*1.2-0.1)*(r[1][0]-r[0][0])))
				p[1] = max(-90, min(90, r[0][1]+(random.Float64()*1.2-0.1)*(r[1][1]-r[0][1])))
			}
			if f.Distance(p) > 0 {
				continue
			}
			inside++
			held := false
			for _, r := range bounds {
				held = held || r[0][0] <= p[0] && p[0] <= r[1][0] && r[0][1] <= p[1] && p[1] <= r[1][1]
			}
			require.True(t, held, "%v is in %s, but not in %v", p, f.Feature, bounds)
		}
		require.Positive(t, f.Size(), middle)
	}
	require.Greater(t, inside, 10_000)
}

func TestWhatMattersToAFence(t *testing.T) {
	plain := fence(t, equator, "")
	require.False(t, plain.HasAltitudes())
	require.True(t, plain.Active.Always())
	require.True(t, fence(t, equator, `"min_alt_m":5`).HasAltitudes())
	require.True(t, fence(t, equator, `"max_alt_m":5`).HasAltitudes())
	daily := fence(t, equator, `"active":{"tz":"UTC","windows":[{"from":"08:00","to":"09:00"}]}`)
	require.False(t, daily.Active.Always())
}
