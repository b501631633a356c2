package web_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"livemap/web"
)

// FuzzPMTiles checks that archives with parts beyond their end are rejected.
func FuzzPMTiles(f *testing.F) {
	header := func(numbers ...uint64) []byte {
		b := []byte("PMTiles\x03")
		for _, n := range numbers {
			b = binary.LittleEndian.AppendUint64(b, n)
		}
		return append(append(b, make([]byte, 24)...), 1, 2, 2, 1)
	}
	f.Add([]byte{})
	f.Add(header(100, 0, 100, 0, 100, 0, 100, 0))
	f.Add(header(100, 1, 100, 0, 100, 0, 100, 0))
	f.Add(header(1<<63, 1<<63, 0, 0, 0, 0, 1, 1<<64-1))
	path := filepath.Join(f.TempDir(), "map.pmtiles")
	f.Fuzz(func(t *testing.T, archive []byte) {
		require.NoError(t, os.WriteFile(path, archive, 0o600))
		if web.CheckPMTiles(path) != nil {
			return
		}
		require.Equal(t, "PMTiles\x03", string(archive[:8]))
		for at := 8; at < 8+4*16; at += 16 {
			offset := new(big.Int).SetUint64(binary.LittleEndian.Uint64(archive[at:]))
			length := new(big.Int).SetUint64(binary.LittleEndian.Uint64(archive[at+8:]))
			size := big.NewInt(int64(len(archive)))
			require.LessOrEqual(t, offset.Add(offset, length).Cmp(size), 0, "part at %d", at)
		}
	})
}

// FuzzPageRequest requests any path with any headers: a packed file has the contents of the plain one, and
// only clients that accept gzip get it.
func FuzzPageRequest(f *testing.F) {
	for _, seed := range [][3]string{
		{"/", "gzip", "*"},
		{"/", "gzip;q=0, *", `"x"`},
		{"/", "identity;q=1, gzip;q=0.5", ""},
		{"/livemap.js", "GZIP ; Q=1,,;", `W/"`},
		{"/app/../index.html", "x-gzip", ""},
		{"/lib/%2e%2e/x", "gzip;q=NaN", ""},
		{"/map.pmtiles", "br", ""},
		{"/app//", "gzip;q=", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	page, err := web.Of(src, dist, web.Config{})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, path, acceptEncoding, ifNoneMatch string) {
		ask := func(encoding, tag string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.URL.Path = path
			r.Header = http.Header{"Accept-Encoding": {encoding}, "If-None-Match": {tag}}
			w := httptest.NewRecorder()
			if err := page.Serve(w, r); err != nil {
				w.Code = http.StatusNotFound
			}
			return w
		}
		got, plain := ask(acceptEncoding, ifNoneMatch), ask("identity", "")
		if got.Code != http.StatusOK {
			require.Contains(t, []int{http.StatusNotModified, plain.Code}, got.Code)
			return
		}
		body := io.Reader(got.Body)
		if got.Header().Get("Content-Encoding") == "gzip" {
			lower := strings.ToLower(acceptEncoding)
			require.True(t, strings.Contains(lower, "gzip") || strings.Contains(lower, "*"), acceptEncoding)
			unpacked, err := gzip.NewReader(got.Body)
			require.NoError(t, err)
			body = unpacked
		}
		text, err := io.ReadAll(body)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain.Body.Bytes(), text))
	})
}
