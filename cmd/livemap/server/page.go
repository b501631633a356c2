package server

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"livemap/web"
)

// View is a part of the map: its centre in degrees and MapLibre's zoom.
type View = web.View

// checkMap reports what is wrong with the fields about the map, together and with the files.
func (c *Config) checkMap() error {
	switch {
	case c.MapStyle != "" && len(c.MapPMTiles) > 0:
		return errors.New("--map-style and --map-pmtiles exclude each other")
	case len(c.MapOrigins) > 0 && c.MapStyle == "":
		return errors.New("--map-origin needs --map-style; it adds to the origins of the style")
	}
	for _, path := range c.MapPMTiles {
		if err := web.CheckPMTiles(path); err != nil {
			return fmt.Errorf("--map-pmtiles has %q: %w; it must be a PMTiles archive, version 3, "+
				"with vector (MVT) or image tiles", path, err)
		}
	}
	return nil
}

// page makes the map's page. internal is the address of the internal port. It logs a warning if the program
// has no map.
func (c *Config) page(internal string, log *slog.Logger) (*web.Page, error) {
	if !strings.HasPrefix(internal, "http:") { // on loopback, and without credentials
		internal = ""
	}
	page, err := web.New(web.Config{
		Version:  c.Version,
		LoginURL: c.LoginURL,
		Style:    c.MapStyle,
		Origins:  c.MapOrigins,
		PMTiles:  c.MapPMTiles,
		City:     c.MapCity,
		View:     c.MapView,

		PublishURL: internal,
	})
	if err == nil && !page.Built() {
		log.Warn("built without the map's libraries, this program shows no map; build it with make build")
	}
	return page, err
}
