package streets

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// drawn is a road as a tile has it: pairs of x and y, and tags.
type drawn struct {
	line []int32
	tags []string // key, value, key, value …
}

func residential(line ...int32) drawn { return drawn{line, []string{"highway", "residential"}} }

// with adds a tag to a road.
func (d drawn) with(key, value string) drawn {
	d.tags = append(slices.Clone(d.tags), key, value)
	return d
}

// encodeTile returns a vector tile with a layer of roads, behind another one.
func encodeTile(roads ...drawn) []byte {
	var keys, values []string
	index := func(list *[]string, text string) uint64 {
		if i := slices.Index(*list, text); i >= 0 {
			return uint64(i)
		}
		*list = append(*list, text)
		return uint64(len(*list) - 1)
	}
	field := func(message []byte, number protowire.Number, content []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(message, number, protowire.BytesType), content)
	}
	layer := field(nil, layerName, []byte("roads"))
	for _, r := range roads {
		var tags, geometry []byte
		for i := 0; i < len(r.tags); i += 2 {
			tags = protowire.AppendVarint(tags, index(&keys, r.tags[i]))
			tags = protowire.AppendVarint(tags, index(&values, r.tags[i+1]))
		}
		at := [2]int32{}
		for i := 0; i < len(r.line); i += 2 {
			switch i {
			case 0:
				geometry = protowire.AppendVarint(geometry, 1<<3|1)
			case 2:
				geometry = protowire.AppendVarint(geometry, uint64(len(r.line)/2-1)<<3|2)
			}
			for axis := range 2 {
				geometry = protowire.AppendVarint(geometry, protowire.EncodeZigZag(int64(r.line[i+axis]-at[axis])))
				at[axis] = r.line[i+axis]
			}
		}
		feature := field(nil, featureTags, tags)
		feature = protowire.AppendVarint(protowire.AppendTag(feature, featureType, protowire.VarintType),
			lineString)
		layer = field(layer, layerFeatures, field(feature, featureGeometry, geometry))
	}
	for _, key := range keys {
		layer = field(layer, layerKeys, []byte(key))
	}
	for _, value := range values {
		layer = field(layer, layerValues, field(nil, valueString, []byte(value)))
	}
	return field(field(nil, tileLayers, field(nil, layerName, []byte("water"))), tileLayers, layer)
}

// encodeArchive returns an archive of zoom 1. Its tiles are those of the north-west, the south-west, the
// south-east and the north-east, in the order of their ids.
func encodeArchive(tiles ...[]byte) string {
	directory := binary.AppendUvarint(nil, uint64(len(tiles)))
	for range tiles {
		directory = binary.AppendUvarint(directory, 1)
	}
	for range tiles {
		directory = binary.AppendUvarint(directory, 1)
	}
	var content []byte
	for _, t := range tiles {
		directory = binary.AppendUvarint(directory, uint64(len(t)))
		content = append(content, t...)
	}
	for i := range tiles {
		directory = binary.AppendUvarint(directory, uint64(1-min(i, 1)))
	}
	h := header{
		Version: 3, RootAt: 127, RootLength: uint64(len(directory)),
		TilesAt: 127 + uint64(len(directory)), TileLength: uint64(len(content)),
		InternalCompression: noCompression, TileCompression: noCompression, TileType: vectorTiles, MaxZoom: 1,
	}
	copy(h.Magic[:], "PMTiles")
	head, _ := binary.Append(nil, binary.LittleEndian, h)
	head = append(head, make([]byte, 127-len(head))...)
	return string(slices.Concat(head, directory, content))
}

// read reads a network of one tile, the north-west one.
func read(t *testing.T, roads ...drawn) *Network {
	t.Helper()
	n, err := Read(encodeArchive(encodeTile(roads...)))
	require.NoError(t, err)
	return n
}

// A unit of these tiles is some kilometres long, so that every vertex bends.
func TestNetwork(t *testing.T) {
	t.Run("a crossing", func(t *testing.T) {
		n := read(t, residential(0, 100, 100, 100, 200, 100), residential(100, 0, 100, 100, 100, 200))
		assert.Len(t, n.Nodes, 5)
		assert.Len(t, n.Streets, 4)
	})
	t.Run("a bridge", func(t *testing.T) {
		n := read(t, residential(0, 100, 200, 100), residential(100, 0, 100, 200), residential(0, 100, 100, 0))
		assert.Len(t, n.Nodes, 4, "where they cross is no node")
		assert.Len(t, n.Streets, 3)
	})
	t.Run("a bend", func(t *testing.T) {
		n := read(t, residential(0, 0, 100, 0, 200, 1, 300, 0, 300, 100))
		assert.Len(t, n.Streets, 2, "the sharp bend splits the street, the others do not")
		assert.Len(t, n.Streets[0].Line, 4)
	})
	t.Run("classes", func(t *testing.T) {
		n := read(t, residential(0, 0, 100, 0), drawn{[]int32{100, 0, 200, 0}, []string{"highway", "primary"}})
		require.Len(t, n.Streets, 2)
		assert.Equal(t, []float64{30 / 3.6, 50 / 3.6}, []float64{n.Streets[0].Limit, n.Streets[1].Limit})
		assert.Equal(t, []bool{false, true}, []bool{n.Streets[0].Main, n.Streets[1].Main})
	})
	t.Run("versions of the schema", func(t *testing.T) {
		for _, key := range []string{"highway", "pmap:kind_detail", "kind_detail"} {
			n := read(t, drawn{[]int32{0, 0, 100, 0}, []string{key, "tertiary", "kind", "major_road"}})
			assert.Equal(t, 40/3.6, n.Streets[0].Limit, key)
		}
	})
	t.Run("not for cars", func(t *testing.T) {
		n := read(t, residential(0, 0, 100, 0), residential(100, 0, 200, 0).with("access", "private"),
			drawn{[]int32{0, 0, 0, 100}, []string{"highway", "footway"}})
		assert.Len(t, n.Streets, 1)
	})
}

func TestOneWays(t *testing.T) {
	round := residential(0, 0, 100, 0, 100, 100, 0, 100, 0, 0)
	for oneway, want := range map[string]struct{ oneWay, forth bool }{
		"yes": {true, true}, "1": {true, true}, "-1": {true, false}, "no": {false, true},
		"alternating": {false, true},
	} {
		n := read(t, round.with("oneway", oneway))
		require.Len(t, n.Streets, 4)
		for _, s := range n.Streets {
			assert.Equal(t, want.oneWay, s.OneWay, oneway)
		}
		if !want.oneWay {
			continue
		}
		var along float64 // over all corners: to the right, or to the left
		for _, s := range n.Streets {
			a, b := s.Line[0], s.Line[len(s.Line)-1]
			along += a[0]*b[1] - a[1]*b[0]
		}
		assert.Equal(t, want.forth, along < 0, "%s: clockwise as it is drawn", oneway)
	}
	n := read(t, round, residential(0, 0, 50, 50).with("oneway", "yes"))
	assert.Len(t, n.Streets, 4, "nobody enters a street that nobody can leave")
	n = read(t, round, residential(300, 300, 400, 300))
	assert.Len(t, n.Streets, 4, "nor drives where no street leads")
	_, err := Read(encodeArchive(encodeTile(residential(0, 0, 100, 0).with("oneway", "yes"))))
	require.ErrorContains(t, err, "no streets")
}

// Tiles have roads a little beyond their edges, where the next tile has them too.
func TestTilesAreJoined(t *testing.T) {
	west := encodeTile(residential(4000, 4000, 4090, 4000, 4106, 4016))
	// The ids lead from the north-west over the south-west and the south-east to the north-east.
	east := encodeTile(residential(-3, 4003, 14, 4020, 104, 4020, 200, 4020))
	n, err := Read(encodeArchive(west, encodeTile(), encodeTile(), east))
	require.NoError(t, err)
	ends := map[int32]int{}
	for _, s := range n.Streets {
		ends[s.From]++
		ends[s.To]++
	}
	dead := 0
	for _, count := range ends {
		if count == 1 {
			dead++
		}
	}
	assert.Equal(t, 2, dead, "one street from end to end")
	assert.Len(t, n.Streets, 3)
}

func TestPoint(t *testing.T) {
	n := read(t, residential(0, 0, 4096, 4096))
	assert.InDeltaSlice(t, []float64{-180, 85.0511}, n.Nodes[n.Streets[0].From][:], 1e-4)
	assert.InDeltaSlice(t, []float64{0, 0}, n.Nodes[n.Streets[0].To][:], 1e-9)
}

// The ids of the tiles of zoom 2 are those of the PMTiles specification's Hilbert curve.
func TestPlace(t *testing.T) {
	for id, want := range map[uint64]tile{
		5: {2, 0, 0}, 6: {2, 1, 0}, 7: {2, 1, 1}, 8: {2, 0, 1}, 9: {2, 0, 2}, 20: {2, 3, 0},
	} {
		got, ok := place(id, 2)
		require.True(t, ok)
		assert.Equal(t, want, got, id)
	}
	for _, id := range []uint64{4, 21} {
		_, ok := place(id, 2)
		assert.False(t, ok, "%d is of another zoom", id)
	}
	seen := map[tile]bool{}
	for id := uint64(21); id < 85; id++ {
		at, ok := place(id, 3)
		require.True(t, ok)
		seen[at] = true
	}
	assert.Len(t, seen, 64)
}

func TestBadArchives(t *testing.T) {
	good := encodeArchive(encodeTile(residential(0, 0, 100, 0)))
	set := func(at int, value byte) string {
		changed := []byte(good)
		changed[at] = value
		return string(changed)
	}
	for name, c := range map[string]struct{ content, says string }{
		"empty":               {"", "not a PMTiles archive"},
		"something else":      {string(make([]byte, 200)), "not a PMTiles archive"},
		"version 2":           {set(7, 2), "of version 3"},
		"images":              {set(99, 2), "tiles of type 2; they must be vector tiles"},
		"zstd":                {set(98, 4), "compression 4; it must be none or gzip"},
		"no gzip":             {set(98, 2), "tile 1/0/0"},
		"cut off":             {good[:len(good)-1], "truncated"},
		"a short directory":   {set(127, 9), "truncated"},
		"no tile":             {encodeArchive([]byte("tile")), "tile 1/0/0: not a vector tile"},
		"another zoom":        {set(101, 5), "no streets"},
		"a line from nowhere": {encodeArchive(lineFromNowhere()), "not a vector tile"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(c.content)
			require.ErrorContains(t, err, c.says)
		})
	}
}

// lineFromNowhere returns a tile with a line that has no first point.
func lineFromNowhere() []byte {
	tile := encodeTile(residential(0, 0, 1, 1))
	i := slices.Index(tile, 1<<3|1)
	for ; tile[i+3] != 1<<3|2; i++ {
	}
	tile[i] = 1<<3 | 2
	return tile
}

// Florence has one-ways, and a way from everywhere to everywhere.
func TestFlorence(t *testing.T) {
	n, err := Read(Florence)
	require.NoError(t, err)
	oneWay, both, main := 0.0, 0.0, 0.0
	next := make([][]int32, len(n.Nodes))
	back := make([][]int32, len(n.Nodes))
	for _, s := range n.Streets {
		length := 0.0
		for i, p := range s.Line {
			require.True(t, p[0] > 11.22 && p[0] < 11.30 && p[1] > 43.75 && p[1] < 43.80, p)
			if i > 0 {
				length += metres(s.Line[i-1], p)
			}
		}
		require.Equal(t, n.Nodes[s.From], s.Line[0])
		require.Equal(t, n.Nodes[s.To], s.Line[len(s.Line)-1])
		require.True(t, length > 0 && s.Limit > 0)
		next[s.From], back[s.To] = append(next[s.From], s.To), append(back[s.To], s.From)
		if s.OneWay {
			oneWay += length
		} else {
			both += length
			next[s.To], back[s.From] = append(next[s.To], s.From), append(back[s.From], s.To)
		}
		if s.Main {
			main += length
		}
	}
	t.Logf("%d nodes, %d streets, %.0f m one-way, %.0f m both ways, %.0f m main",
		len(n.Nodes), len(n.Streets), oneWay, both, main)
	assert.Greater(t, oneWay, 40_000.0)
	assert.Greater(t, both, 20_000.0)
	assert.Greater(t, main, 20_000.0)
	reached := components(next, back)
	assert.Equal(t, slices.Min(reached), slices.Max(reached), "one component")
}

func metres(a, b Point) float64 {
	return degree * math.Hypot((b[0]-a[0])*math.Cos(a[1]*math.Pi/180), b[1]-a[1])
}

func BenchmarkFlorence(b *testing.B) {
	for b.Loop() {
		if _, err := Read(Florence); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzRead reads tiles and archives that may be broken: it returns an error or a network that holds together.
func FuzzRead(f *testing.F) {
	good := encodeTile(residential(0, 0, 100, 0), residential(100, 0, 100, 100).with("oneway", "yes"))
	f.Add(good, false)
	f.Add([]byte(encodeArchive(good)), true)
	f.Fuzz(func(t *testing.T, content []byte, whole bool) {
		archive := string(content)
		if !whole {
			archive = encodeArchive(content)
		}
		n, err := Read(archive)
		if err != nil {
			return
		}
		for _, s := range n.Streets {
			require.Equal(t, n.Nodes[s.From], s.Line[0])
			require.Equal(t, n.Nodes[s.To], s.Line[len(s.Line)-1])
		}
	})
}
