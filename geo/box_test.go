package geo_test

import (
	"fmt"
	"testing"

	"livemap/geo"

	"github.com/stretchr/testify/require"
)

func TestBoxContains(t *testing.T) {
	for name, test := range map[string]struct {
		box     string
		inside  []geo.Point
		outside []geo.Point
	}{
		"plain": {"13,52,14,53",
			[]geo.Point{{13.5, 52.5}, {13, 52}, {14, 53}, {13, 53}},
			[]geo.Point{{12.999, 52.5}, {14.001, 52.5}, {13.5, 51.999}, {13.5, 53.001}, {-13.5, 52.5}}},
		"with spaces": {" 13, 52, 14 , 53", []geo.Point{{13.5, 52.5}}, []geo.Point{{12, 52}}},
		"a point":     {"13,52,13,52", []geo.Point{{13, 52}}, []geo.Point{{13, 52.0001}}},
		"across the antimeridian": {"170,-10,-170,10",
			[]geo.Point{{170, 0}, {175, 0}, {180, 0}, {-180, 0}, {-175, 0}, {-170, 10}},
			[]geo.Point{{169.9, 0}, {-169.9, 0}, {0, 0}, {175, 11}}},
		"across, longitudes beyond 180": {"170,-10,190,10",
			[]geo.Point{{175, 0}, {180, 0}, {-180, 0}, {-170, 0}}, []geo.Point{{0, 0}, {-169, 0}}},
		"a world further": {"373,52,374,53", []geo.Point{{13.5, 52.5}}, []geo.Point{{12, 52.5}}},
		"up to 180": {"170,-10,180,10",
			[]geo.Point{{180, 0}, {-180, 0}, {170, 0}}, []geo.Point{{-179.9, 0}, {169, 0}, {180, 11}, {-180, 11}}},
		"from -180": {"-180,-10,-170,10",
			[]geo.Point{{180, 0}, {-180, 0}, {-175, 0}}, []geo.Point{{179.9, 0}, {-169, 0}, {180, 11}}},
		"from 180": {"180,0,190,1", []geo.Point{{180, 0}, {-180, 0}, {-175, 0}},
			[]geo.Point{{175, 0}, {-169, 0}}},
		"up to -180": {"-190,0,-180,1", []geo.Point{{180, 0}, {-180, 0}, {175, 0}},
			[]geo.Point{{-175, 0}, {169, 0}}},
		"the antimeridian": {"180,0,180,1", []geo.Point{{180, 0}, {-180, 1}},
			[]geo.Point{{0, 0}, {179, 0}, {-179, 0}}},
		"the antimeridian, mixed": {"180,0,-180,1", []geo.Point{{180, 0}, {-180, 1}},
			[]geo.Point{{0, 0}, {179, 0}, {-179, 0}}},
		"the antimeridian, far": {"540,0,180,1", []geo.Point{{180, 0}, {-180, 1}},
			[]geo.Point{{0, 0}, {179, 0}, {-179, 0}}},
		"nearly all longitudes": {"-179,0,180,1", []geo.Point{{0, 0}, {180, 0}, {-180, 0}, {-179, 0}},
			[]geo.Point{{-179.5, 0}}},
		"all longitudes": {"-180,40,180,60", []geo.Point{{-180, 40}, {180, 60}, {0, 50}},
			[]geo.Point{{0, 39}, {0, 61}}},
		"all longitudes, shifted": {"-170,40,190,60", []geo.Point{{-180, 40}, {180, 60}, {-175, 50}},
			[]geo.Point{{0, 39}}},
		"more than all longitudes": {"-1000,40,1000,60", []geo.Point{{-180, 40}, {180, 60}, {0, 50}},
			[]geo.Point{{0, 39}}},
		"latitudes beyond the poles": {"0,80,10,100", []geo.Point{{5, 90}, {5, 80}}, []geo.Point{{5, 79}}},
		"a pole":                     {"0,95,10,100", []geo.Point{{5, 90}}, []geo.Point{{5, 89.9}}},
		"the world":                  {"-180,-90,180,90", []geo.Point{{0, 0}, {180, 90}, {-180, -90}}, nil},
		"more than the world":        {"-500,-500,500,500", []geo.Point{{0, 0}, {180, 90}, {-180, -90}}, nil},
		"exponents and signs":        {"+1.3e1,5.2E1,14,53", []geo.Point{{13.5, 52.5}}, []geo.Point{{12, 52}}},
	} {
		t.Run(name, func(t *testing.T) {
			box, err := geo.ParseBox(test.box)
			require.NoError(t, err)
			require.Equal(t, test.outside == nil, box.World())
			for _, p := range test.inside {
				require.True(t, box.Contains(p), p)
				require.True(t, inRects(box, p), "%v of %v", p, box.Rects())
			}
			for _, p := range test.outside {
				require.False(t, box.Contains(p), p)
				require.False(t, inRects(box, p), "%v of %v", p, box.Rects())
			}
		})
	}
}

// inRects looks a point up in the rectangles, as an R-tree does.
func inRects(box geo.Box, p geo.Point) bool {
	for _, r := range box.Rects() {
		if r[0][0] <= p[0] && p[0] <= r[1][0] && r[0][1] <= p[1] && p[1] <= r[1][1] {
			return true
		}
	}
	return false
}

func TestZeroBoxIsTheWorld(t *testing.T) {
	world, err := geo.ParseBox("-180,-90,180,90")
	require.NoError(t, err)
	require.Equal(t, geo.Box{}, world)
	require.Equal(t, [][2]geo.Point{{{-180, -90}, {180, 90}}}, geo.Box{}.Rects())
}

func TestParseBoxRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                   `"" has 1 parts instead of 4`,
		"13,52,14":           "3 parts",
		"13,52,0,14,53,9":    "6 parts",
		"13,52,14,":          `north is ""`,
		"13,x,14,53":         `south is "x", which is not a finite number`,
		"NaN,52,14,53":       "west",
		"13,52,Inf,53":       "east",
		"13,52,1e999,53":     "east",
		"0x10,52,14,53":      "west",
		"1_3,52,14,53":       "west",
		"13,53,14,52":        "south (53) is greater than north (52)",
		"13,100,14,95":       "south (100)",
		"13;52;14;53":        "1 parts",
		"13,52,14,\x00\xff":  `"\x00\xff"`,
		"13 2,52,14,53":      "west",
		"+-1,52,14,53":       "west",
		"1e5e5,52,14,53":     "west",
		"13,52,14,5,3":       "5 parts",
		"[13.0,52,14.0,53]":  "west",
		"13,,14,53":          "south",
		"west,south,est,nor": "west",
	} {
		t.Run(text, func(t *testing.T) {
			_, err := geo.ParseBox(text)
			require.ErrorContains(t, err, want)
			require.ErrorContains(t, err, "a box is west,south,east,north in degrees")
		})
	}
}

func ExampleParseBox() {
	fiji, err := geo.ParseBox("176,-20,-178,-15")
	fmt.Println(err, fiji.Contains(geo.Point{178.4, -18.1}), fiji.Contains(geo.Point{-178.5, -18.1}),
		fiji.Contains(geo.Point{0, -18.1}))
	// Output: <nil> true true false
}

func BenchmarkBoxContains(b *testing.B) {
	box, _ := geo.ParseBox("13,52,14,53")
	for b.Loop() {
		box.Contains(geo.Point{13.4, 52.5})
	}
}
