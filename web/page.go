// Package web is the page that the hub shows: the map, and the files it is made of.
//
// The page's own sources (src) are served as they are. The libraries that they
// import, and the base map's data, come from npm: `make web` puts them into
// dist, compressed. Both are embedded. A program that was built without them
// shows a page that says so.
package web

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
)

// Config is how a hub's page is set up.
type Config struct {
	Version string   // of the program, for the page to show
	Style   string   // URL of a MapLibre style; "" for a base map of our own
	Origins []string // where the style draws from, besides its own origin
	PMTiles string   // path of a PMTiles archive to draw; "" for none

	// LoginURL is where readers are sent who are not signed in, an http:// or https://
	// URL; "" for nowhere.
	LoginURL string
}

// Page serves the page and its files.
type Page struct {
	at    map[string]serve // by path
	built bool
}

// serve answers a request by GET or HEAD.
type serve func(http.ResponseWriter, *http.Request) error

//go:embed src
var source embed.FS

//go:embed all:dist
var dist embed.FS

// New makes the page that is embedded.
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

// Of makes a page of the given sources, and of the libraries in dist/lib.
func Of(src, dist fs.FS, config Config) (*Page, error) {
	p := &Page{at: map[string]serve{}, built: isBuilt(dist)}
	if err := p.addModule(src); err != nil {
		return nil, err
	}
	if config.PMTiles != "" {
		p.at[archivePath] = archive(config.PMTiles).serve
	}
	if !p.built {
		p.add(unbuiltPage())
		return p, nil
	}
	return p, p.addMap(src, dist, config)
}

// Built tells whether the map's libraries are there.
func (p *Page) Built() bool { return p.built }

// Serve answers a request by GET or HEAD for the page or one of its files. Where
// there is nothing, it writes nothing, and the error is an fs.ErrNotExist.
func (p *Page) Serve(w http.ResponseWriter, r *http.Request) error {
	path := r.URL.EscapedPath()
	serve, found := p.at[path]
	if !found {
		return fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	return serve(w, r)
}

// add has files served at their paths, below none.
func (p *Page) add(files ...*asset) {
	for _, file := range files {
		p.at["/"+file.path] = file.serve
	}
}

// addModule adds the connection module, which other pages may use, at an address
// that does not change.
func (p *Page) addModule(src fs.FS) error {
	text, err := fs.ReadFile(src, "livemap.js")
	if err != nil {
		return err
	}
	p.add(newAsset("livemap.js", text).with("Cache-Control", "no-cache"))
	return nil
}

// addMap adds the map, and what it is made of.
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

// policy is the map's Content-Security-Policy: the hub, and what the style needs.
func policy(config Config) string {
	from := "'self'"
	if style, err := url.Parse(config.Style); err == nil && config.Style != "" {
		from += " " + style.Scheme + "://" + style.Host
	}
	for _, origin := range config.Origins {
		from += " " + origin
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; worker-src 'self'; manifest-src 'self'; " +
		"connect-src " + from + "; font-src " + from + "; img-src " + from + " data: blob:; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
