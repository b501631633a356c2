package main

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"

	"livemap/web"
)

// mapFlags say what the page draws below the vehicles.
type mapFlags struct {
	MapStyle   styleURL `placeholder:"URL" help:"Style of the map, as MapLibre reads it: an http:// or https:// URL (default: a base map that the hub brings along)."`
	MapOrigin  []origin `placeholder:"ORIGIN,…" help:"Further origins that --map-style draws tiles, glyphs and sprites from, like https://tiles.example.com."`
	MapPMTiles string   `name:"map-pmtiles" placeholder:"FILE" help:"PMTiles archive, version 3, with vector (MVT) or image tiles, to draw the map from; a file that is replaced is seen."`
}

// check tells what is wrong with the flags, together and with the file.
func (f *mapFlags) check() error {
	switch {
	case f.MapStyle != "" && f.MapPMTiles != "":
		return errors.New("--map-style and --map-pmtiles exclude each other: a map is drawn from one of them")
	case len(f.MapOrigin) > 0 && f.MapStyle == "":
		return errors.New("--map-origin goes with --map-style, whose origins it adds to")
	case f.MapPMTiles == "":
		return nil
	}
	if err := web.CheckPMTiles(f.MapPMTiles); err != nil {
		return fmt.Errorf("--map-pmtiles is %s: %w; it must be a PMTiles archive, version 3, with vector (MVT) or image tiles", f.MapPMTiles, err)
	}
	return nil
}

// page makes the map's page. login is where readers sign in; "": on the page itself.
func (f *mapFlags) page(login string) (*web.Page, error) {
	config := web.Config{Version: version(), LoginURL: login, Style: string(f.MapStyle), PMTiles: f.MapPMTiles}
	for _, origin := range f.MapOrigin {
		config.Origins = append(config.Origins, string(origin))
	}
	return web.New(config)
}

// styleURL is the URL of a MapLibre style.
type styleURL string

// UnmarshalText reads a URL; an error tells what is allowed.
func (s *styleURL) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	if err != nil || u.User != nil || !isOrigin(u.Scheme+"://"+u.Host) {
		return fmt.Errorf("%q is no address of a style; it must be an http:// or https:// URL", text)
	}
	*s = styleURL(text)
	return nil
}

// origin is an origin as a Content-Security-Policy names it.
type origin string

// UnmarshalText reads an origin; an error tells what is allowed.
func (o *origin) UnmarshalText(text []byte) error {
	if !isOrigin(string(text)) {
		return fmt.Errorf("%q is no origin; it must be http:// or https://, a host and perhaps a port, like https://tiles.example.com", text)
	}
	*o = origin(text)
	return nil
}

// isOrigin tells whether a Content-Security-Policy can name the text: it knows no
// IPv6 addresses, and of other characters than these some would end the source.
var isOrigin = regexp.MustCompile(`^https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`).MatchString
