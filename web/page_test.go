package web_test

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/web"
)

const (
	own = "default-src 'none'; script-src 'self'; style-src 'self'; worker-src 'self'; " +
		"manifest-src 'self'; connect-src 'self'; font-src 'self'; img-src 'self' data: blob:; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	forever = "public, max-age=31536000, immutable"
	script  = "text/javascript; charset=utf-8"
)

// TestHeaders checks the header of every kind of file.
func TestHeaders(t *testing.T) {
	s := open(t, src, dist, web.Config{})
	set := s.settings(t)
	for _, c := range []struct{ path, contentType, cache, policy, referrer string }{
		{"/", "text/html; charset=utf-8", "no-cache", own, "no-referrer"},
		{"/livemap.js", script, "no-cache", "", ""},
		{"/livemap.d.ts", "text/plain; charset=utf-8", "no-cache", "", ""},
		{set.App + "main.js", script, forever, own, ""},
		{set.App + "part/a.js", script, forever, own, ""},
		{set.App + "livemap.js", script, forever, own, ""},
		{set.App + "page.css", "text/css; charset=utf-8", forever, own, ""},
		{set.App + "icon.svg", "image/svg+xml", forever, own, ""},
		{set.App + "data.json", "application/json", forever, own, ""},
		{set.App + "names.geojson", "application/geo+json", forever, own, ""},
		{set.Lib + "maplibre-gl.mjs", script, forever, own, ""},
		{set.Lib + "maplibre-gl.css", "text/css; charset=utf-8", forever, own, ""},
		{set.Lib + "atlas/world.json", "application/json", forever, own, ""},
		{set.Lib + "LICENSES.txt", "text/plain; charset=utf-8", forever, own, ""},
	} {
		for _, coding := range []string{"gzip", "identity"} {
			t.Run(c.path+" "+coding, func(t *testing.T) {
				got := s.get(t, c.path, "Accept-Encoding", coding)
				require.Equal(t, http.StatusOK, got.StatusCode)
				assert.Equal(t, c.contentType, got.Header.Get("Content-Type"))
				assert.Equal(t, c.cache, got.Header.Get("Cache-Control"))
				assert.Equal(t, c.policy, got.Header.Get("Content-Security-Policy"))
				assert.Equal(t, c.referrer, got.Header.Get("Referrer-Policy"))
				assert.Equal(t, "nosniff", got.Header.Get("X-Content-Type-Options"))
				assert.Equal(t, "Accept-Encoding", got.Header.Get("Vary"))
				assert.Regexp(t, `^"[0-9a-f]{16}(-gzip)?"$`, got.Header.Get("ETag"))
				assert.EqualValues(t, len(got.body), got.ContentLength)
			})
		}
	}
}

func unpack(t testing.TB, text string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(text))
	require.NoError(t, err)
	plain, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(plain)
}

// TestCompressed requests files packed and plain, and with the tag of a known version.
func TestCompressed(t *testing.T) {
	s := open(t, src, dist, web.Config{})
	set := s.settings(t)
	for _, path := range []string{
		"/",
		"/livemap.js",
		set.App + "main.js",
		set.App + "page.css",
		set.Lib + "maplibre-gl.mjs",
		set.Lib + "atlas/world.json",
	} {
		t.Run(path, func(t *testing.T) {
			plain, packed := s.get(t, path), s.get(t, path, "Accept-Encoding", "gzip, br")
			require.Empty(t, plain.Header.Get("Content-Encoding"))
			require.Equal(t, "gzip", packed.Header.Get("Content-Encoding"))
			require.Equal(t, plain.body, unpack(t, packed.body))
			require.NotEmpty(t, plain.body)
			plainTag, packedTag := plain.Header.Get("ETag"), packed.Header.Get("ETag")
			require.NotEqual(t, plainTag, packedTag, "a strong tag identifies bytes")

			for coding, want := range map[string]answer{"identity": plain, "gzip": packed} {
				head := s.do(t, "HEAD", path, "Accept-Encoding", coding)
				require.Empty(t, head.body)
				head.Header.Set("Date", "")
				want.Header.Set("Date", "")
				require.Equal(t, want.Header, head.Header)
				tag := want.Header.Get("ETag")
				for _, given := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
					got := s.get(t, path, "Accept-Encoding", coding, "If-None-Match", given)
					require.Equal(t, []any{304, ""}, []any{got.StatusCode, got.body}, given)
					require.Equal(t, tag, got.Header.Get("ETag"), given)
					require.Equal(t, "Accept-Encoding", got.Header.Get("Vary"), given)
					require.Equal(t, want.Header.Get("Cache-Control"), got.Header.Get("Cache-Control"), given)
					require.Empty(t, got.Header.Values("Content-Encoding"))
				}
				for _, given := range []string{`"x"`, "", strings.Trim(tag, `"`)} {
					got := s.get(t, path, "Accept-Encoding", coding, "If-None-Match", given)
					require.Equal(t, 200, got.StatusCode, given)
				}
			}
			got := s.get(t, path, "Accept-Encoding", "gzip", "If-None-Match", plainTag)
			require.Equal(t, 200, got.StatusCode)
		})
	}
	main := s.get(t, set.App+"main.js", "Accept-Encoding", "gzip")
	require.Less(t, len(main.body), 300)
}

// TestAcceptEncoding checks Accept-Encoding headers (RFC 9110, section 12.5.3).
func TestAcceptEncoding(t *testing.T) {
	s := open(t, src, dist, web.Config{})
	for accept, packed := range map[string]bool{
		"":                              false,
		"identity":                      false,
		"br, zstd":                      false,
		"gzip":                          true,
		"GZip":                          true,
		"x-gzip":                        true,
		"br;q=1.0, gzip;q=0.8, *;q=0.1": true,
		"deflate, gzip ; q=0.001":       true,
		"gzip;q=0":                      false,
		"gzip;q=0.000, *":               false,
		"gzip; Q=0":                     false,
		"gzip;q=":                       false,
		"gzip;q=x":                      false,
		"*":                             true,
		"*;q=0":                         false,
		"identity, *;q=0":               false,
		"identity;q=0.5, gzip;q=0.4":    false,
		"identity;q=0.5, gzip":          true,
		"gzipped":                       false,
	} {
		got := s.get(t, "/livemap.js", "Accept-Encoding", accept)
		assert.Equal(t, packed, got.Header.Get("Content-Encoding") == "gzip", "%q", accept)
	}
	none := s.get(t, "/livemap.js")
	assert.Empty(t, none.Header.Get("Content-Encoding"), "no header")
	two := s.get(t, "/livemap.js", "Accept-Encoding", "br", "Accept-Encoding", "gzip")
	assert.Equal(t, "gzip", two.Header.Get("Content-Encoding"), "two lines")
}

// TestAddresses checks that paths change with the files behind them, and that the old paths are gone.
func TestAddresses(t *testing.T) {
	s := open(t, src, dist, web.Config{})
	was := s.settings(t)
	require.Regexp(t, `^/app/[0-9a-f]{16}/$`, was.App)
	require.Regexp(t, `^/lib/[0-9a-f]{16}/$`, was.Lib)
	require.Equal(t, was, open(t, src, dist, web.Config{}).settings(t), "the same files, the same addresses")
	changedSource := func(name, text string) *site {
		return open(t, changed(src, name, file(text)), dist, web.Config{})
	}
	changedLibrary := func(name string, content *fstest.MapFile) *site {
		return open(t, src, changed(dist, name, content), web.Config{})
	}
	renamedSource := open(t, renamed(src, "part/a.js", "part/aa.js"), dist, web.Config{})
	for _, c := range []struct {
		name     string
		site     *site
		app, lib bool // whether its path changes
	}{
		{"a source", changedSource("part/a.js", "1"), true, false},
		{"another source's name", changedSource("part/b.js", ""), true, false},
		{"a renamed source", renamedSource, true, false},
		{"a library", changedLibrary("lib/maplibre-gl.css.gz", packed("")), true, true},
		{"another library", changedLibrary("lib/x.mjs.gz", packed("")), true, true},
		{"the policy", open(t, src, dist, web.Config{Style: "https://example.com/style.json"}), true, true},
		{"the version", open(t, src, dist, web.Config{Version: "2"}), false, false},
		{"a file that is not served", changedLibrary(".stamp", file("x")), false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := c.site.settings(t)
			require.Equal(t, c.app, is.App != was.App)
			require.Equal(t, c.lib, is.Lib != was.Lib)
			gone := map[bool]int{true: 404, false: 200}
			require.Equal(t, gone[c.app], c.site.get(t, was.App+"main.js").StatusCode)
			require.Equal(t, gone[c.lib], c.site.get(t, was.Lib+"maplibre-gl.mjs").StatusCode)
			require.Equal(t, 200, c.site.get(t, is.App+"main.js").StatusCode)
			require.Equal(t, 200, c.site.get(t, is.Lib+"maplibre-gl.mjs?v=6").StatusCode)
		})
	}
	t.Run("index.html", func(t *testing.T) {
		other := open(t, changed(src, "index.html", file("{{.Config}}")), dist, web.Config{})
		require.NotEqual(t, s.get(t, "/").Header.Get("ETag"), other.get(t, "/").Header.Get("ETag"))
	})
}

func TestNothingThere(t *testing.T) {
	s := open(t, src, dist, web.Config{})
	set := s.settings(t)
	for _, path := range []string{
		"/index.html",
		"/favicon.ico",
		"/map.pmtiles",
		"/main.js",
		"/app/main.js",
		set.App,
		set.App + "index.html",
		set.App + "nothing.js",
		set.App + "part",
		set.App + "part/",
		set.App + "maplibre-gl.mjs",
		set.App + "main.js.gz",
		set.App + "./main.js",
		set.App + "part/../main.js",
		set.App + "part%2Fa.js",
		set.App + "MAIN.js",
		"/" + set.App + "main.js",
		set.Lib + "maplibre-gl.mjs.gz",
		set.Lib + "../.gitignore",
		set.Lib + ".gitignore",
		"/app/0123456789abcdef/main.js",
		strings.ReplaceAll(set.App, "app", "lib") + "main.js",
	} {
		require.Equal(t, 404, s.get(t, path).StatusCode, path)
	}
}

// TestResolve checks that the page's own modules import libraries by their paths.
func TestResolve(t *testing.T) {
	for _, c := range []struct{ module, want string }{
		{`import { Map } from "maplibre-gl";`, `import { Map } from "/lib/maplibre-gl.mjs";`},
		{`import{Map}from'maplibre-gl'`, `import{Map}from'/lib/maplibre-gl.mjs'`},
		{
			"import {\n\tMap,\n} from \"maplibre-gl\";\n",
			"import {\n\tMap,\n} from \"/lib/maplibre-gl.mjs\";\n",
		},
		{`export * from "pmtiles"`, `export * from "/lib/pmtiles.mjs"`},
		{`import "pmtiles"`, `import "/lib/pmtiles.mjs"`},
		{`await import("pmtiles")`, `await import("/lib/pmtiles.mjs")`},
		{`import { V } from "@mapbox/vector-tile"`, `import { V } from "/lib/vector-tile.mjs"`},
		{`await import( 'pmtiles' )`, `await import( '/lib/pmtiles.mjs' )`},
		{
			`import "./pmtiles.js"; const name = "pmtiles"; say("pmtiles");`,
			`import "./pmtiles.js"; const name = "pmtiles"; say("pmtiles");`,
		},
		{
			`import "./a.js"; import "pmtiles"; import "maplibre-gl"`,
			`import "./a.js"; import "/lib/pmtiles.mjs"; import "/lib/maplibre-gl.mjs"`,
		},
	} {
		s := open(t, changed(src, "a.js", file(c.module)), dist, web.Config{})
		set := s.settings(t)
		require.Equal(t, c.want, strings.ReplaceAll(s.get(t, set.App+"a.js").body, set.Lib, "/lib/"))
	}
	s := open(t, changed(src, "livemap.js", file(`import "pmtiles"`)), dist, web.Config{})
	require.Equal(t, `import "pmtiles"`, s.get(t, "/livemap.js").body, "unchanged")
}

// TestPolicy checks that the policy allows the configured origins and no others.
func TestPolicy(t *testing.T) {
	for _, c := range []struct {
		name   string
		config web.Config
		from   string
	}{
		{"the built-in base map", web.Config{}, "'self'"},
		{"PMTiles", web.Config{PMTiles: []string{"/x.pmtiles"}}, "'self'"},
		// The page only links to it.
		{"a login page", web.Config{LoginURL: "https://login.example.com/"}, "'self'"},
		{
			"a style",
			web.Config{Style: "https://maps.example.com:8443/styles/a.json?key=1"},
			"'self' https://maps.example.com:8443",
		},
		{
			"a style and its sources",
			web.Config{
				Style:   "http://localhost/a",
				Origins: []string{"https://a.example.com", "https://b.example.com"},
			},
			"'self' http://localhost https://a.example.com https://b.example.com",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, src, dist, c.config)
			want := own
			for _, directive := range []string{"connect-src", "font-src", "img-src"} {
				want = strings.Replace(want, directive+" 'self'", directive+" "+c.from, 1)
			}
			require.Equal(t, want, s.get(t, "/").Header.Get("Content-Security-Policy"))
			worker := s.get(t, s.settings(t).Lib+"maplibre-gl.mjs")
			require.Equal(t, want, worker.Header.Get("Content-Security-Policy"), "a worker's")
		})
	}
}

// TestSettings checks the configuration that the page's script reads.
func TestSettings(t *testing.T) {
	set := open(t, src, dist, web.Config{Version: `1.2 "<3>"`}).settings(t)
	require.Equal(t, `1.2 "<3>"`, set.Version)
	require.Nil(t, set.Style)
	require.Equal(t, []string{}, set.PMTiles, "none, and not null")
	require.Nil(t, set.View)
	require.Nil(t, set.Login)
	require.Nil(t, set.Publish)
	style := "https://example.com/style.json?a=1&b=%22"
	require.Equal(t, style, *open(t, src, dist, web.Config{Style: style}).settings(t).Style)
	view := web.View{Zoom: 15.5, Lat: 43.77, Lon: 11.25}
	archived := open(t, src, dist, web.Config{PMTiles: []string{"/srv/x.pmtiles"}, View: &view}).settings(t)
	require.Equal(t, []string{"/map.pmtiles"}, archived.PMTiles)
	require.Equal(t, &view, archived.View)
	login := "https://login.example.com/?for=map"
	require.Equal(t, login, *open(t, src, dist, web.Config{LoginURL: login}).settings(t).Login)
	publish := "http://127.0.0.1:9801"
	require.Equal(t, publish, *open(t, src, dist, web.Config{PublishURL: publish}).settings(t).Publish)
	require.Contains(t, open(t, src, dist, web.Config{}).get(t, "/").body, `&#34;style&#34;:null`)
}

// TestUnbuilt checks a program without libraries: its page says so, and livemap.js works.
func TestUnbuilt(t *testing.T) {
	for missing := range dist {
		files := maps.Clone(dist)
		delete(files, missing)
		page, err := web.Of(src, files, web.Config{})
		require.NoError(t, err)
		needed := regexp.MustCompile(`maplibre-gl.mjs|pmtiles|vector-tile|pbf`).MatchString(missing)
		require.Equal(t, !needed, page.Built(), missing)
	}
	s := open(t, src, fstest.MapFS{".gitignore": file("*")}, web.Config{})
	require.False(t, s.page.Built())
	got := s.get(t, "/")
	require.Equal(t, 200, got.StatusCode)
	require.Equal(t, "text/html; charset=utf-8", got.Header.Get("Content-Type"))
	require.Equal(t, "no-cache", got.Header.Get("Cache-Control"))
	require.Contains(t, got.body, "make build")
	for _, link := range []string{"/stream", "/snapshot", "/openapi.yaml", "/livemap.js"} {
		require.Contains(t, got.body, `href="`+link+`"`)
	}
	policy := got.Header.Get("Content-Security-Policy")
	require.Regexp(t, `^default-src 'none'; style-src 'sha256-[^']+'; `+
		`base-uri 'none'; form-action 'none'; frame-ancestors 'none'$`, policy)
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(got.body)[1]
	sum := sha256.Sum256([]byte(style))
	require.Contains(t, policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	require.Equal(t, "export class Stream {}", s.get(t, "/livemap.js").body)
	built := open(t, src, dist, web.Config{}).settings(t)
	require.Equal(t, 404, s.get(t, built.App+"main.js").StatusCode)
	require.Equal(t, 404, s.get(t, built.Lib+"maplibre-gl.mjs").StatusCode)
}

// TestVaryIsAddedTo checks that a Vary header of the caller is kept, such as that of CORS.
func TestVaryIsAddedTo(t *testing.T) {
	s := open(t, src, dist, web.Config{})
	w := httptest.NewRecorder()
	w.Header().Set("Vary", "Origin")
	require.NoError(t, s.page.Serve(w, httptest.NewRequest(http.MethodGet, "/livemap.js", nil)))
	require.Equal(t, []string{"Origin", "Accept-Encoding"}, w.Header().Values("Vary"))
}

// TestBrokenFiles checks that broken files fail at the start, not at the first request.
func TestBrokenFiles(t *testing.T) {
	for _, c := range []struct {
		name, file string
		content    string
	}{
		{"a template that does not parse", "index.html", "{{.App"},
		{"a template with an unknown field", "index.html", "{{.App.Nothing.There}}"},
	} {
		_, err := web.Of(changed(src, c.file, file(c.content)), dist, web.Config{})
		require.ErrorContains(t, err, c.file, c.name)
	}
	_, err := web.Of(src, changed(dist, "lib/plain.json", file("{}")), web.Config{})
	require.ErrorContains(t, err, "plain.json is not compressed")
}
