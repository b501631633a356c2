package recording

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/geo"
)

// start is the time from which rows of TestDevices count.
var start = time.Date(2026, 5, 1, 6, 30, 0, 0, time.UTC)

// TestDevices plays files of the kinds that devices and programs write, made by hand after their
// documentation. The positions were read from the files by a person: degrees, km/h and UTC.
func TestDevices(t *testing.T) {
	const (
		noZone   = `:00", without a zone; name it with --zone, such as --zone UTC or --zone Europe/Berlin`
		gpsbabel = ", which replay does not read; convert it to GPX, for example with: gpsbabel -t -i "
		timeline = ": it is a Google Timeline, which replay does not read; convert it to GPX"
	)
	for _, test := range []struct {
		file    string
		want    []string // vehicle, longitude, latitude, seconds of 06:30, and some members
		refused string   // instead
	}{
		// GPX
		{"garmin-connect.gpx", []string{"Berlin Cycling 13.404954001307487 52.52000812627375 0",
			"Berlin Cycling 13.4061 52.5211 20"}, ""},
		{"garmin-edge.gpx", []string{
			"Current Track: 01 MAY 2026 08:30 13.404 52.52 0 speed_kmh:19.8 heading:271.5"}, ""},
		{"osmand.gpx", []string{"osmand 7.1 46.1 0 speed_kmh:4.32", "osmand 7.101 46.101 60"}, ""},
		{"strava.gpx", []string{"Fahrt am Morgen 11.576124 48.137154 0"}, ""},
		{"komoot.gpx", []string{"Rund um den Müggelsee 13.64482 52.44227 0"}, ""},
		{"komoot-planned.gpx", nil, ": nothing to play: it has 1 route, but no point of a track"},
		{"locus.gpx", []string{"2026-05-01 08:30 14.42046 50.087811 0.123 speed_kmh:50.04 heading:90.0"}, ""},
		{"ulogger.gpx", []string{"trip 21.0122 52.2297 0 speed_kmh:36 heading:123.4"}, ""},
		{"traccar.gpx", []string{"Truck 7 -3.70379 40.416775 0"}, ""},
		{"sports-tracker.gpx", []string{"sports-tracker 24.938379 60.169857 0"}, ""},
		{"tomtom.gpx", []string{
			"Cycling 4.9084 52.3765 0", "Cycling 4.9085 52.3766 1", "Cycling 4.9095 52.3776 600"}, ""},
		{"gpslogger.gpx", []string{"gpslogger -0.1278 51.5074 0 speed_kmh:3.406 heading:219.93",
			"gpslogger -0.1279 51.5075 60"}, ""},
		{"basicairdata.gpx", []string{"GPS Logger 20260501-083000 24.68233021 59.37942358 0 speed_kmh:0.9",
			"GPS Logger 20260501-083000 24.68233369 59.37944841 2 speed_kmh:3.6"}, ""},
		{"holux-eztour.gpx", []string{"Málaga -4.421266 36.721261 0"}, ""},
		{"igo.gpx", []string{"2026-05-01 08:30:00 19.03991 47.49801 0"}, ""},
		{"geotab.gpx", []string{"Van 12 -79.347015 43.65107 0"}, ""},

		// CSV
		{"gpslogger.csv", []string{
			"gpslogger 5.217217 60.38539 0 speed_kmh:3.406 heading:219.93 accuracy:7.0 battery:62",
			"gpslogger 11.5593367 48.1861084 60.6"}, ""},
		{"columbus-v900.csv", []string{"columbus-v900 -75.160065 39.951613 0 speed_kmh:36 heading:270 TAG:T",
			"columbus-v900 75.160065 -39.951613 1 speed_kmh:0 heading:0 TAG:T"}, ""},
		{"columbus-v1000.csv", []string{
			"columbus-v1000 119.26516 26.097885 0 speed_kmh:39.3 heading:83 TEMP:17"}, ""},
		{"teltonika.csv", []string{
			"FMB920-1 25.279652 54.687157 0 speed_kmh:48 heading:310 IMEI:356307042441013"}, ""},
		{"mta-avl.csv", []string{"469 -73.986697 40.668602 0 inferred_phase:IN_PROGRESS"}, ""},
		{"excel-de.csv", []string{"LKW-42 13.404954 52.520008 0 speed_kmh:85.5 Fahrer:Jürgen Größmann"}, ""},
		{"excel-unicode.txt", []string{"BUS-1 2.173404 41.385064 0 driver:Núria"}, ""},
		{"excel-de-local.csv", nil, strings.TrimPrefix(noZone, ":00")},
		{"traccar.csv", nil, noZone},
		{"holux-iblue747.csv", nil, noZone},
		{"opengts.csv", nil, noZone},
		{"wialon.csv", nil, noZone},

		// JSON
		{"qgis.geojson", []string{"QGIS-1 13.404954 52.520008 0 speed_kmh:12.5",
			"QGIS-1 13.405954 52.521008 60 speed_kmh:13.5"}, ""},
		{"ogr2ogr.geojsons", []string{"OGR-1 13.404954 52.520008 0"}, ""},
		{"owntracks.ndjson", nil, "vehicle_id"},
		{"google-records.json", nil, timeline},
		{"google-timeline.json", nil, timeline},

		// Other formats
		{"navilock.nmea", nil, ": it is NMEA" + gpsbabel + "nmea -f FILE -o gpx -F FILE.gpx"},
		{"locosys.txt", nil, ": it is NMEA" + gpsbabel + "nmea -f FILE -o gpx -F FILE.gpx"},
		{"garmin-watch.fit", nil, ": it is FIT" + gpsbabel + "garmin_fit -f FILE -o gpx -F FILE.gpx"},
		{"google-earth.kml", nil, ": it is KML" + gpsbabel + "kml -f FILE -o gpx -F FILE.gpx"},
	} {
		t.Run(test.file, func(t *testing.T) {
			path := filepath.Join("testdata", "devices", test.file)
			if test.refused != "" {
				assert.Contains(t, whyRefused(t, path), test.refused)
				return
			}
			p, err := Open([]string{path}, nil)
			require.NoError(t, err)
			bodies := bodies(t, p)
			require.Len(t, bodies, len(test.want))
			for i, body := range bodies {
				assert.Equal(t, test.want[i], seen(t, body, test.want[i]))
			}
		})
	}
	files, err := os.ReadDir(filepath.Join("testdata", "devices"))
	require.NoError(t, err)
	assert.Len(t, files, 37, "each file has a row")
}

// seen returns a position as readers get it, in the words of a row of TestDevices. want has the names
// of the members.
func seen(t *testing.T, body, want string) string {
	t.Helper()
	p, err := geo.ParsePosition([]byte(body))
	require.NoError(t, err, body)
	seconds := p.Time.Sub(start).Seconds()
	text := fmt.Sprint(p.VehicleID, " ", p.Point.Lon(), " ", p.Point.Lat(), " ", seconds)
	feature := string(p.AppendFeature(nil, p.Time))
	for _, name := range []string{"speed_kmh", "heading", "accuracy", "battery", "TAG", "TEMP", "IMEI",
		"inferred_phase", "Fahrer", "driver"} {
		_, value, found := strings.Cut(feature, `"`+name+`":`)
		if (found && (name == "speed_kmh" || name == "heading")) || strings.Contains(want, " "+name+":") {
			value, _, _ = strings.Cut(value, ",")
			text += " " + name + ":" + strings.Trim(value, `"}`)
		}
	}
	return text
}

// whyRefused returns why a file is not played: on its own, or each of its positions.
func whyRefused(t *testing.T, path string) string {
	t.Helper()
	p, err := Open([]string{path}, nil)
	if err != nil {
		return err.Error()
	}
	if p.Empty() != nil {
		return p.Empty().Error()
	}
	rec, err := p.Next()
	require.NoError(t, err)
	if rec.Refused != "" {
		return path + ": " + rec.Refused
	}
	_, err = geo.ParsePosition(rec.Body)
	require.Error(t, err, "%s", rec.Body)
	return err.Error()
}
