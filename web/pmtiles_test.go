package web_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/web"
)

// florence is an archive that another program made: the demo's city.
const florence = "../cmd/livemap/streets/firenze.pmtiles"

// archive returns the smallest archive: a header and 100 bytes of tiles.
func archive(change ...func([]byte)) []byte {
	text := make([]byte, 127+100)
	copy(text, "PMTiles\x03")
	for i := range text[127:] {
		text[127+i] = byte('0' + i%10)
	}
	binary.LittleEndian.PutUint64(text[56:], 127)
	binary.LittleEndian.PutUint64(text[64:], 100)
	text[97], text[98], text[99] = 2, 2, 1
	for _, change := range change {
		change(text)
	}
	return text
}

func write(t testing.TB, content []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "map.pmtiles")
	require.NoError(t, os.WriteFile(path, content, 0o644))
	return path
}

func TestCheckPMTiles(t *testing.T) {
	require.NoError(t, web.CheckPMTiles(florence))
	set := func(at int, value byte) []byte { return archive(func(text []byte) { text[at] = value }) }
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"vector tiles", archive(), ""},
		{"PNG", set(99, 2), ""},
		{"AVIF", set(99, 5), ""},
		{"not compressed", archive(func(text []byte) { text[97], text[98] = 1, 1 }), ""},
		{"empty", nil, "not a PMTiles archive"},
		{"short", archive()[:50], "not a PMTiles archive"},
		{"something else", []byte("<!doctype html>" + string(make([]byte, 200))), "not a PMTiles archive"},
		{"version 2", set(7, 2), "version 2"},
		{"unknown tiles", set(99, 0), "tiles of type 0"},
		{"MLT", set(99, 6), "tiles of type 6"},
		{"directories by zstd", set(97, 4), "with a compression other than gzip"},
		{"tiles by brotli", set(98, 3), "with a compression other than gzip"},
		{"tiles by an unknown compression", set(98, 0), "with a compression other than gzip"},
		{"cut off", archive()[:200], "truncated PMTiles archive: 200 of 227 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := web.CheckPMTiles(write(t, c.content))
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
	require.ErrorContains(t, web.CheckPMTiles("/nowhere/map.pmtiles"), "no such file")
	require.ErrorContains(t, web.CheckPMTiles(t.TempDir()), "not a regular file")
}

// TestRanges requests parts of an archive (RFC 9110, section 14).
func TestRanges(t *testing.T) {
	content := archive()
	path := write(t, content)
	s := open(t, src, dist, web.Config{PMTiles: []string{path}})
	whole := s.get(t, "/map.pmtiles", "Accept-Encoding", "gzip")
	tag := whole.Header.Get("ETag")
	require.Equal(t, string(content), whole.body)
	require.EqualValues(t, len(content), whole.ContentLength)
	require.Regexp(t, `^"[0-9a-f]+-[0-9a-f]+"$`, tag)
	for name, want := range map[string]string{
		"Content-Type": "application/vnd.pmtiles", "Cache-Control": "no-cache", "Accept-Ranges": "bytes",
		"X-Content-Type-Options": "nosniff", "Content-Encoding": "", "Vary": "",
	} {
		assert.Equal(t, want, whole.Header.Get(name), name)
	}
	for _, c := range []struct {
		name     string
		header   []string
		status   int
		contents string
		ranges   string
	}{
		{"the beginning", []string{"Range", "bytes=0-7"}, 206, "PMTiles\x03", "bytes 0-7/227"},
		{
			"with gzip allowed",
			[]string{"Range", "bytes=0-6", "Accept-Encoding", "gzip"},
			206, "PMTiles", "bytes 0-6/227",
		},
		{"the middle", []string{"Range", "bytes=130-132"}, 206, "345", "bytes 130-132/227"},
		{"over the end", []string{"Range", "bytes=225-16383"}, 206, "89", "bytes 225-226/227"},
		{"the end", []string{"Range", "bytes=-3"}, 206, "789", "bytes 224-226/227"},
		{"beyond", []string{"Range", "bytes=227-300"}, 416, "", "bytes */227"},
		{"not a range", []string{"Range", "bytes=x"}, 416, "", ""},
		{"of this file", []string{"Range", "bytes=0-6", "If-Range", tag}, 206, "PMTiles", "bytes 0-6/227"},
		{
			"of a replaced file",
			[]string{"Range", "bytes=0-6", "If-Range", `"1-2"`},
			200, string(content), "",
		},
		{"a weak tag", []string{"Range", "bytes=0-6", "If-Range", "W/" + tag}, 200, string(content), ""},
		{"known already", []string{"If-None-Match", tag}, 304, "", ""},
		{"another known", []string{"If-None-Match", `"1-2"`}, 200, string(content), ""},
		{"only this", []string{"If-Match", `"1-2"`}, 412, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := s.get(t, "/map.pmtiles", c.header...)
			require.Equal(t, c.status, got.StatusCode)
			require.Equal(t, c.ranges, got.Header.Get("Content-Range"))
			if c.status != 416 {
				require.Equal(t, c.contents, got.body)
				require.Equal(t, tag, got.Header.Get("ETag"))
			}
			if c.status < 300 {
				require.EqualValues(t, len(c.contents), got.ContentLength)
				head := s.do(t, "HEAD", "/map.pmtiles", c.header...)
				require.Equal(t, []any{c.status, int64(len(c.contents)), "", tag},
					[]any{head.StatusCode, head.ContentLength, head.body, head.Header.Get("ETag")})
			}
		})
	}
}

// TestSeveralArchives serves each archive at a path of its own: the city that is part of the program first,
// then the files in their order.
func TestSeveralArchives(t *testing.T) {
	marked := func(mark byte) []byte { return archive(func(text []byte) { text[127] = mark }) }
	config := web.Config{PMTiles: []string{write(t, marked('a')), write(t, marked('b'))}}
	for _, c := range []struct {
		city string
		want map[string]string // the first byte of its tiles, by path
	}{
		{"", map[string]string{"/map.pmtiles": "a", "/map-2.pmtiles": "b"}},
		{string(marked('c')), map[string]string{"/map.pmtiles": "c", "/map-2.pmtiles": "a", "/map-3.pmtiles": "b"}},
	} {
		config.City = c.city
		s := open(t, src, dist, config)
		require.Len(t, s.settings(t).PMTiles, len(c.want))
		for _, path := range s.settings(t).PMTiles {
			got := s.get(t, path, "Range", "bytes=127-127")
			require.Equal(t, []any{206, c.want[path]}, []any{got.StatusCode, got.body}, path)
			tag := got.Header.Get("ETag")
			require.Equal(t, "application/vnd.pmtiles", got.Header.Get("Content-Type"))
			require.Equal(t, 304, s.get(t, path, "If-None-Match", tag).StatusCode)
			require.Equal(t, 200, s.get(t, path, "Range", "bytes=0-6", "If-Range", `"1-2"`).StatusCode)
		}
		for _, path := range []string{"/map-1.pmtiles", "/map-02.pmtiles", "/map-4.pmtiles"} {
			require.Equal(t, 404, s.get(t, path).StatusCode, path)
		}
	}
}

// TestReplacedArchive checks that a replaced or removed archive takes effect at once.
func TestReplacedArchive(t *testing.T) {
	path := write(t, archive())
	s := open(t, src, dist, web.Config{PMTiles: []string{path}})
	first := s.get(t, "/map.pmtiles").Header.Get("ETag")

	other := write(t, archive(func(text []byte) { text[127] = 'x' }))
	require.NoError(t, os.Chtimes(other, time.Time{}, time.Now().Add(time.Second)))
	require.NoError(t, os.Rename(other, path))
	got := s.get(t, "/map.pmtiles", "Range", "bytes=127-127", "If-Range", first)
	require.Equal(t, 200, got.StatusCode)
	require.NotEqual(t, first, got.Header.Get("ETag"))
	require.Equal(t, "x", s.get(t, "/map.pmtiles", "Range", "bytes=127-127").body)

	require.NoError(t, os.WriteFile(path, append(archive(), 1), 0o644))
	require.NoError(t, os.Chtimes(path, time.Time{}, time.Unix(1, 0)))
	longer := s.get(t, "/map.pmtiles").Header.Get("ETag")
	require.NoError(t, os.Truncate(path, 227))
	require.NoError(t, os.Chtimes(path, time.Time{}, time.Unix(1, 0)))
	require.NotEqual(t, longer, s.get(t, "/map.pmtiles").Header.Get("ETag"), "of the same time, but shorter")

	require.NoError(t, os.Remove(path))
	require.Equal(t, 404, s.get(t, "/map.pmtiles").StatusCode)
	require.NoError(t, os.Mkdir(path, 0o755))
	require.Equal(t, 404, s.get(t, "/map.pmtiles").StatusCode)
}

// TestFlorence reads a large archive in parts, as the page does.
func TestFlorence(t *testing.T) {
	path := florence
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	s := open(t, src, dist, web.Config{PMTiles: []string{path}})
	for _, c := range []struct {
		ranges   string
		from, to int
	}{
		{"bytes=0-16383", 0, 16384},
		{"bytes=1000000-1100000", 1_000_000, 1_100_001},
		{"bytes=-1000", len(content) - 1000, len(content)},
	} {
		got := s.get(t, "/map.pmtiles", "Range", c.ranges)
		require.Equal(t, 206, got.StatusCode)
		require.True(t, string(content[c.from:c.to]) == got.body, c.ranges)
	}
}
