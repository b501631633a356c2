package web_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"html"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"livemap/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// src and dist are a small page and its libraries.
var (
	src = fstest.MapFS{
		"index.html": file(`<!doctype html><meta name="livemap-config" content="{{.Config}}">` +
			`<link rel="stylesheet" href="{{.Lib}}maplibre-gl.css">` +
			`<script type="module" src="{{.App}}main.js"></script>`),
		"main.js": file(`import { Map } from "maplibre-gl"; import "./part/a.js";` +
			strings.Repeat("\n// and much more", 100)),
		"part/a.js":     file(`const { PMTiles } = await import('pmtiles');`),
		"page.css":      file("body { margin: 0 }"),
		"icon.svg":      file("<svg/>"),
		"livemap.d.ts":  file("export class Stream {}"),
		"livemap.js":    file("export class Stream {}"),
		"data.json":     file("{}"),
		"names.geojson": file("{}"),
	}
	dist = fstest.MapFS{
		".gitignore":              file("*"),
		"lib/maplibre-gl.mjs.gz":  packed("export class Map {}"),
		"lib/maplibre-gl.css.gz":  packed(".map {}"),
		"lib/pmtiles.mjs.gz":      packed(`import "./fflate.mjs"`),
		"lib/fflate.mjs.gz":       packed("export {}"),
		"lib/vector-tile.mjs.gz":  packed("export {}"),
		"lib/pbf.mjs.gz":          packed("export {}"),
		"lib/atlas/world.json.gz": packed(strings.Repeat(`{"world":1}`, 50)),
		"lib/LICENSES.txt.gz":     packed("ISC"),
	}
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func packed(text string) *fstest.MapFile {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	io.WriteString(w, text)
	w.Close()
	return &fstest.MapFile{Data: out.Bytes()}
}

// changed returns files of which one has other contents.
func changed(files fstest.MapFS, name string, content *fstest.MapFile) fstest.MapFS {
	files = maps.Clone(files)
	files[name] = content
	return files
}

// renamed returns files of which one has another name.
func renamed(files fstest.MapFS, from, to string) fstest.MapFS {
	files = changed(files, to, files[from])
	delete(files, from)
	return files
}

// site is a page on a server.
type site struct {
	*httptest.Server
	page *web.Page
}

// open serves a page until the end of the test.
func open(t testing.TB, src, dist fs.FS, config web.Config) *site {
	t.Helper()
	page, err := web.Of(src, dist, config)
	require.NoError(t, err)
	return serve(t, page)
}

func serve(t testing.TB, page *web.Page) *site {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch err := page.Serve(w, r); {
		case errors.Is(err, fs.ErrNotExist):
			w.WriteHeader(http.StatusNotFound)
		case err != nil:
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	server.Client().Transport.(*http.Transport).DisableCompression = true
	t.Cleanup(server.Close)
	return &site{server, page}
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

// get requests a path. header holds names and values in turn.
func (s *site) get(t testing.TB, path string, header ...string) answer {
	t.Helper()
	return s.do(t, http.MethodGet, path, header...)
}

func (s *site) do(t testing.TB, method, path string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, nil)
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	response, err := s.Client().Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response, string(body)}
}

// settings is the configuration that the page's script reads.
type settings struct {
	Version string
	App     string
	Lib     string
	Style   *string
	PMTiles []string
	View    *web.View
	Login   *string
	Publish *string
}

var configMeta = regexp.MustCompile(`<meta name="livemap-config" content="([^"]*)">`)

// settings reads the page as its script does.
func (s *site) settings(t testing.TB) (set settings) {
	t.Helper()
	found := configMeta.FindStringSubmatch(s.get(t, "/").body)
	require.NotNil(t, found)
	require.NoError(t, json.Unmarshal([]byte(html.UnescapeString(found[1])), &set))
	return set
}

// filesIn lists the files below a directory.
func filesIn(dir string) (names []string, err error) {
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, name)
		}
		return err
	})
	return names, err
}
