// Package web serves the hub's page: the map and its files.
//
// The page's own sources (src) are served as they are. The libraries that they import, and the base map's
// data, come from npm: `make web` puts them into dist, compressed. Both are embedded. A program that was
// built without the libraries serves a page that says so. README.md describes the page and livemap.js.
//
// [New] returns the embedded [Page]; its Serve method answers requests for the page and its files.
package web

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
)

// Config configures a hub's page.
type Config struct {
	Version string   // of the program, for display
	Style   string   // URL of a MapLibre style; "" for the built-in base map
	Origins []string // origins that the style loads from, besides its own
	PMTiles []string // paths of PMTiles archives, the last on top
	City    string   // contents of a PMTiles archive below those of PMTiles; "" for none
	View    *View    // where the map opens; nil shows all vehicles

	// LoginURL is the login page to which readers without a sign-in are redirected: an http:// or https://
	// URL; "" for none.
	LoginURL string

	// PublishURL is the address under which programs of this machine publish without credentials: an http://
	// URL; "" for none. A page without vehicles that is opened on this machine says how to publish one.
	PublishURL string
}

// View is a part of the map.
type View struct {
	Zoom float64 `json:"zoom"` // MapLibre's zoom: the world is 512·2^Zoom pixels wide
	Lat  float64 `json:"lat"`  // degrees
	Lon  float64 `json:"lon"`  // degrees
}

// Page serves the page and its files.
type Page struct {
	at    map[string]serve // by path
	built bool
}

// serve responds to a GET or HEAD request.
type serve func(http.ResponseWriter, *http.Request) error

//go:embed src
var source embed.FS

//go:embed all:dist
var dist embed.FS

// New returns the embedded page.
func New(config Config) (*Page, error) {
	src, err := fs.Sub(source, "src")
	if err != nil {
		return nil, err
	}
	dist, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, err
	}
	return Of(src, dist, config)
}

// Of returns a page of the given sources and of the libraries in dist/lib.
func Of(src, dist fs.FS, config Config) (*Page, error) {
	p := &Page{at: map[string]serve{}, built: isBuilt(dist)}
	if err := p.addModule(src); err != nil {
		return nil, err
	}
	for i, archive := range archives(config) {
		p.at[archivePath(i)] = archive
	}
	if !p.built {
		p.add(unbuiltPage())
		return p, nil
	}
	return p, p.addMap(src, dist, config)
}

// Built reports whether the program includes the map's libraries.
func (p *Page) Built() bool { return p.built }

// Serve responds to a GET or HEAD request for the page or one of its files. If there is no such file, it
// writes nothing and returns an [fs.ErrNotExist].
func (p *Page) Serve(w http.ResponseWriter, r *http.Request) error {
	path := r.URL.EscapedPath()
	serve, found := p.at[path]
	if !found {
		return fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	return serve(w, r)
}

// add serves files at their paths.
func (p *Page) add(files ...*asset) {
	for _, file := range files {
		p.at["/"+file.path] = file.serve
	}
}

// addModule serves livemap.js, which other pages may import, and its types at stable paths.
func (p *Page) addModule(src fs.FS) error {
	for _, name := range []string{"livemap.js", "livemap.d.ts"} {
		text, err := fs.ReadFile(src, name)
		if err != nil {
			return err
		}
		p.add(newAsset(name, text).with("Cache-Control", "no-cache"))
	}
	return nil
}

// addMap serves the map and its files.
func (p *Page) addMap(src, dist fs.FS, config Config) error {
	policy := policy(config)
	lib, err := libraries(dist, policy)
	if err != nil {
		return err
	}
	app, err := sources(src, lib.root, policy)
	if err != nil {
		return err
	}
	index, err := indexPage(src, app.root, lib.root, config)
	if err != nil {
		return err
	}
	p.add(lib.files...)
	p.add(app.files...)
	p.add(index)
	return nil
}

// policy returns the map's Content-Security-Policy: the hub's origin and those of the style.
func policy(config Config) string {
	from := "'self'"
	if style, err := url.Parse(config.Style); err == nil && config.Style != "" {
		from += " " + style.Scheme + "://" + style.Host
	}
	for _, origin := range config.Origins {
		from += " " + origin
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; worker-src 'self'; " +
		"manifest-src 'self'; " +
		"connect-src " + from + "; font-src " + from + "; img-src " + from + " data: blob:; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
