package web_test

import (
	"net/http"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/web"
)

// embedded serves the program's own page.
func embedded(t *testing.T) *site {
	t.Helper()
	page, err := web.New(web.Config{})
	require.NoError(t, err)
	if !page.Built() && os.Getenv("CI") != "true" {
		t.Skip("NOT TESTED: the libraries are not there; make web fetches them")
	}
	require.True(t, page.Built(), "make web comes first")
	return serve(t, page)
}

// The references that a page, a style sheet or a module has to other files.
var (
	inPage   = regexp.MustCompile(`(?:src|href)="([^"#]+)"`)
	inStyle  = regexp.MustCompile(`url\(["']?([^"')]+)`)
	inModule = regexp.MustCompile(`\bimport\s*(?:[\w\s{},*$]+?\bfrom\s*)?["']([^"'\s]+)["']` +
		`|\bexport\s*(?:\*(?:\s*as\s+[\w$]+)?|\{[^}]*\})\s*from\s*["']([^"'\s]+)["']` +
		`|\bimport\(\s*["']([^"'\s]+)["']\s*\)`)
	comments = regexp.MustCompile(`(?s)/\*\*.*?\*/`) // their types import files that are not served
)

// TestEverythingIsThere follows the references between files, from / on.
func TestEverythingIsThere(t *testing.T) {
	s := embedded(t)
	seen := map[string]bool{}
	var follow func(address string)
	follow = func(address string) {
		if seen[address] {
			return
		}
		seen[address] = true
		got := s.get(t, address)
		require.Equal(t, http.StatusOK, got.StatusCode, address)
		require.NotContains(t, got.body, "sourceMappingURL=", address)
		for _, name := range names(got) {
			if strings.HasPrefix(name, "data:") || strings.HasPrefix(name, "https://") {
				continue
			}
			require.Regexp(t, `^[./]`, name, "a bare specifier in %s", address)
			base, err := url.Parse(address)
			require.NoError(t, err)
			next, err := base.Parse(name)
			require.NoError(t, err)
			follow(next.Path)
		}
	}
	follow("/")
	set := s.settings(t)
	for _, name := range []string{
		set.App + "main.js",
		set.App + "page.css",
		set.App + "livemap.js",
		set.App + "session/token.js",
		set.App + "map/map.js",
		set.Lib + "maplibre-gl.mjs",
		set.Lib + "maplibre-gl.css",
		set.Lib + "pmtiles.mjs",
		set.Lib + "fflate.mjs",
		set.Lib + "vector-tile.mjs",
		set.Lib + "point-geometry.mjs",
		set.Lib + "pbf.mjs",
	} {
		require.Contains(t, seen, name, "the page asks for it")
	}
	for _, name := range []string{"maplibre-gl-worker.mjs", "LICENSES.txt"} {
		follow(set.Lib + name)
	}
	follow(set.App + "shared/worker.js") // by a SharedWorker
	require.Empty(t, names(s.get(t, "/livemap.js")), "livemap.js stands alone")
}

// names lists the references in an answer.
func names(got answer) (names []string) {
	patterns := map[string]*regexp.Regexp{".js": inModule, ".mjs": inModule, ".css": inStyle, "": inPage}
	pattern := patterns[path.Ext(got.Request.URL.Path)]
	if pattern == nil {
		return nil
	}
	for _, found := range pattern.FindAllStringSubmatch(comments.ReplaceAllString(got.body, ""), -1) {
		names = append(names, strings.Join(found[1:], ""))
	}
	return names
}

// TestFilesHaveTypes checks that only .bin files are served as octets, which a browser does not run.
func TestFilesHaveTypes(t *testing.T) {
	s := embedded(t)
	set := s.settings(t)
	for dir, root := range map[string]string{"src": set.App, "dist/lib": set.Lib} {
		names, err := filesIn(dir)
		require.NoError(t, err)
		require.NotEmpty(t, names)
		for _, name := range names {
			if name == "index.html" {
				continue
			}
			got := s.get(t, root+strings.TrimSuffix(name, ".gz"))
			assert.Equal(t, http.StatusOK, got.StatusCode, name)
			octets := strings.HasSuffix(name, ".bin.gz")
			assert.Equal(t, octets, got.Header.Get("Content-Type") == "application/octet-stream", name)
		}
	}
}
