package recording

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"livemap/geo"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// archived returns a zip archive of files, each a name and a text.
func archived(t *testing.T, files ...[2]string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, file := range files {
		f, err := w.Create(file[0])
		require.NoError(t, err)
		_, err = f.Write([]byte(file[1]))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.String()
}

func TestZip(t *testing.T) {
	path := write(t, "trip.zip", archived(t,
		[2]string{"tracks/", ""},
		[2]string{"tracks/car.gpx", strings.ReplaceAll(gpxRecording, "<name> TRUCK-042 </name>", "")},
		[2]string{"day.csv", "lat,lon\n1,2\n"},
		[2]string{"later.ndjson.gz", zipped(t, at("A", 4e9))},
		[2]string{"none.csv", "lat,lon\n"},
		[2]string{".DS_Store", "\x00\x01"},
		[2]string{"__MACOSX/day.csv", "\x00\x05"}))
	p, err := Open([]string{path}, nil)
	require.NoError(t, err)
	assert.Equal(t, 4, p.Total())
	const nothing = "/none.csv: nothing to play: there is nothing below the names of its columns"
	assert.EqualError(t, p.Empty(), path+nothing)
	rec, err := p.Next()
	require.NoError(t, err)
	assert.Equal(t, `{"vehicle_id":"day","lat":1,"lon":2}`, string(rec.Body))
	assert.Equal(t, path+"/day.csv", rec.File)
	assert.Equal(t, 2, rec.Line)
	rest := bodies(t, p)
	require.Len(t, rest, 3)
	assert.Contains(t, rest[0], `{"vehicle_id":"car",`)
	assert.Equal(t, at("A", 4e9), rest[2])
}

// TestZipWithOtherFiles plays the recordings in an archive, and names the other files in one line.
func TestZipWithOtherFiles(t *testing.T) {
	files := [][2]string{{"trip/day.csv", "lat,lon\n1,2\n"}, {"trip/readme.txt", "Hi"}, {"tour.kml", "<kml/>"},
		{"photo.jpg", "\xff\xd8\xff\xe0\x00\x10JFIF\x00"}, {"vehicles.csv", "id,name\n1,a\n"}}
	path := write(t, "trip.zip", archived(t, files...))
	p, err := Open([]string{path}, nil)
	require.NoError(t, err)
	assert.Equal(t, 1, p.Total())
	const others = ": no recordings, left out: trip/readme.txt, tour.kml, photo.jpg, vehicles.csv"
	assert.Equal(t, []string{path + others}, p.NotRecordings())
	require.NoError(t, p.Empty())
	assert.Equal(t, []string{`{"vehicle_id":"day","lat":1,"lon":2}`}, bodies(t, p))

	for i := range 5 {
		files = append(files, [2]string{fmt.Sprint(i, ".txt"), "Hi"})
	}
	p, err = Open([]string{write(t, "trip.zip", archived(t, files...))}, nil)
	require.NoError(t, err)
	defer p.Close()
	require.Len(t, p.NotRecordings(), 1)
	assert.Contains(t, p.NotRecordings()[0], ", vehicles.csv, 0.txt and 4 more")

	broken := archived(t, files[0], files[1], [2]string{"other.gpx.gz", "\x1f\x8bnope......"})
	_, err = Open([]string{write(t, "trip.zip", broken)}, nil)
	assert.ErrorContains(t, err, "/other.gpx.gz: its gzip compression is damaged", "it may be a recording")
	assert.NotContains(t, err.Error(), "readme")
}

// TestWrongExtension reads a file as what it is, whatever its name says.
func TestWrongExtension(t *testing.T) {
	feature := `{"type":"Feature","id":"a","geometry":{"type":"Point","coordinates":[2,1]},"properties":{}}`
	gpx := `<gpx><trk><name>A</name><trkseg><trkpt lat="1" lon="2"/></trkseg></trk></gpx>`
	const object = `{"vehicle_id":"a","lat":1,"lon":2}`
	for name, text := range map[string]string{
		"CSV": "vehicle_id,lat,lon\na,1,2\n", "CSV with a mark": "\ufeffid;lat;lon\r\na;1;2\r\n",
		"NDJSON": object + "\n", "JSON": "\n\n[\n" + object + "\n]", "GeoJSON": feature + "\n",
		"FeatureCollection":  `{"type":"FeatureCollection","features":[` + feature + `]}`,
		"JSON text sequence": "\x1e" + object + "\n",
	} {
		for _, extension := range []string{".gpx", ".csv", ".ndjson", ".geojson.gz", ".CSV.gz"} {
			t.Run(name+extension, func(t *testing.T) {
				p, err := Open([]string{write(t, "day"+extension, text)}, nil)
				require.NoError(t, err)
				rec, err := p.Next()
				require.NoError(t, err)
				require.Empty(t, rec.Refused)
				position, err := geo.ParsePosition(rec.Body)
				require.NoError(t, err, "%s", rec.Body)
				assert.Equal(t, geo.Point{2, 1}, position.Point)
				_, err = p.Next()
				assert.Equal(t, io.EOF, err)
			})
		}
	}
	for _, extension := range []string{".csv", ".json", ".ndjson"} {
		p, err := Open([]string{write(t, "day"+extension, gpx)}, nil)
		require.NoError(t, err)
		assert.Equal(t, []string{`{"vehicle_id":"A","lat":1,"lon":2}`}, bodies(t, p))
		_, err = Open([]string{write(t, "day"+extension, "<!DOCTYPE html><html>")}, nil)
		assert.ErrorContains(t, err, "it is a web page")
	}
}

// TestLinesBelowBlankOnes: the look at the content leaves lines where they are.
func TestLinesBelowBlankOnes(t *testing.T) {
	p, err := Open([]string{write(t, "day.csv", "\n\nid,lat,lon\na,1,2\n")}, nil)
	require.NoError(t, err)
	rec, err := p.Next()
	require.NoError(t, err)
	assert.Equal(t, 4, rec.Line)
}

func TestZipRefused(t *testing.T) {
	encrypted := archived(t, [2]string{"day.csv", "lat,lon\n1,2\n"})
	encrypted = strings.Replace(encrypted, "PK\x01\x02\x14\x00\x14\x00\x08", "PK\x01\x02\x14\x00\x14\x00\x09", 1)
	whole := archived(t, [2]string{"day.csv", "lat,lon\n1,2\n"})
	for _, test := range []struct{ name, file, text, want string }{
		{"cut", "a.zip", whole[:len(whole)-30], "a.zip: its zip archive is damaged; it was cut, perhaps"},
		{"encrypted", "a.zip", encrypted, "a.zip: its zip archive is encrypted; unpack it first"},
		{"KMZ", "a.kmz", archived(t, [2]string{"doc.kml", "<kml/>"}), "a.kmz/doc.kml: it is KML, which replay"},
		{"Excel", "a.xlsx", archived(t, [2]string{"[Content_Types].xml", "<x/>"}),
			"a.xlsx: it is a workbook of a spreadsheet; save it as CSV in UTF-8"},
		{"in gzip", "a.zip.gz", whole, "a.zip.gz: it is a zip archive in a pipe or in another archive"},
		{"no recording in it", "a.zip", archived(t, [2]string{"a.txt", "Hi"}, [2]string{"b.txt", "Hi"}),
			"b.txt: it has no column lat"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open([]string{write(t, test.file, test.text)}, nil)
			assert.ErrorContains(t, err, test.want)
		})
	}
	p, err := Open([]string{"-"}, strings.NewReader(whole))
	require.NoError(t, err)
	_, err = p.Next()
	assert.ErrorContains(t, err, "standard input: it is a zip archive in a pipe or in another archive")

	path := write(t, "empty.zip", archived(t, [2]string{"folder/", ""}))
	p, err = Open([]string{path}, nil)
	require.NoError(t, err)
	assert.EqualError(t, p.Empty(), path+": nothing to play: its zip archive has no files")
}

// Files in other formats are refused with a sentence, whatever their names are.
func TestForeign(t *testing.T) {
	const convert = "which replay does not read; convert it to GPX, for example with: gpsbabel -t -i "
	for _, test := range []struct{ name, text, want string }{
		{"FIT", "\x0e\x20\x5e\x08\x00\x10\x00\x00.FIT\x00\x00\x40", "it is FIT, " + convert + "garmin_fit"},
		{"KML", `<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"/>`,
			"it is KML, " + convert + "kml"},
		{"TCX", `<TrainingCenterDatabase/>`, "it is TCX, " + convert + "gtrnctr"},
		{"NMEA", "$GPRMC,120000,A,5231.2,N,01324.3,E,0.0,,231126,,*00\r\n", "it is NMEA, " + convert + "nmea"},
		{"NMEA of several systems", "$GNGGA,120000,5231.2,N,01324.3,E,1\n", "it is NMEA, " + convert + "nmea"},
		{"OziExplorer", "OziExplorer Track Point File Version 2.1\r\nWGS 84\r\n", "it is OziExplorer, " + convert},
		{"web page", "<!DOCTYPE html>\n<html lang=en>", "it is a web page, perhaps one that asks to sign in"},
		{"other XML", "<osm/>", `not GPX: its root element is "osm"`},
		{"old Excel", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "it is a workbook of a spreadsheet; save it as CSV"},
		{"tar", strings.Repeat("\x00", 257) + "ustar\x00", "it is a tar archive; unpack it first"},
		{"xz", "\xfd7zXZ\x00", "it is compressed by xz; replay reads gzip and zip"},
		{"database", "SQLite format 3\x00", "it is an SQLite database; export its positions as CSV"},
		{"no files", "PK\x05\x06" + strings.Repeat("\x00", 18), "it is a zip archive without files"},
	} {
		for _, extension := range []string{"", ".gz", ".gpx"} {
			t.Run(test.name+extension, func(t *testing.T) {
				path := write(t, "day"+extension, test.text)
				_, err := Open([]string{path}, nil)
				assert.ErrorContains(t, err, path+": "+test.want)
			})
		}
	}
}
