//go:build !race

package geo_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"livemap/geo"
)

// A position needs no allocation but its share of a common one. A list of topics needs one.
func TestAllocations(t *testing.T) {
	dst, items := make([]byte, 0, geo.MaxFeature), make([]geo.Item, 0, 2)
	position, topical := []byte(typical), []byte(strings.Replace(typical, "{", `{"topics":["depot:7"],`, 1))
	hinted := []byte(strings.Replace(typical, "{", `{"speed":5,"course":7,"alt":1,`, 1))
	feature, document := []byte(feature(t, typical)), []byte("["+typical+","+typical+"]")
	parse := func(item []byte) func() {
		return func() {
			p, _ := geo.ParsePosition(item)
			dst = p.AppendFeature(dst[:0], arrival)
		}
	}
	require.Equal(t, 0.0, testing.AllocsPerRun(1000, parse(position)))
	require.Equal(t, 0.0, testing.AllocsPerRun(1000, parse(feature)))
	require.Equal(t, 1.0, testing.AllocsPerRun(1000, parse(topical)))
	require.Equal(t, 0.0, testing.AllocsPerRun(1000, parse(hinted)))
	require.Equal(t, 0.0, testing.AllocsPerRun(1000, func() {
		items, _ = geo.AppendItems(items[:0], document, false)
	}))
	require.Len(t, items, 2)
}
