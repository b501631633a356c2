package geofence

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"io/fs"
	"sync"
	"time"
)

// zonesZip is lib/time/zoneinfo.zip of Go's sources: the time zone database of the IANA, which is in the
// public domain. [time.LoadLocation] prefers the zones of the machine, and these differ: hubs would come to
// different states.
//
//go:embed zones.zip
var zonesZip []byte

var zones = sync.OnceValues(func() (*zip.Reader, error) {
	return zip.NewReader(bytes.NewReader(zonesZip), int64(len(zonesZip)))
})

// loadZone returns a time zone by its name, the same on every machine.
func loadZone(name string) (*time.Location, error) {
	archive, err := zones()
	if err != nil {
		return nil, err
	}
	data, err := fs.ReadFile(archive, name)
	if err != nil {
		return nil, err
	}
	return time.LoadLocationFromTZData(name, data)
}
