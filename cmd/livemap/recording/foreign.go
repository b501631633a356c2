package recording

import (
	"bytes"
	"errors"
	"strconv"
)

// foreignSignatures are bytes by which files in other formats begin, and what to do with such a
// file.
var foreignSignatures = []struct {
	offset int
	bytes  string
	advice string
}{
	{8, ".FIT", convertible("FIT", "garmin_fit")},
	{0, "$GP", convertible("NMEA", "nmea")},
	{0, "$GN", convertible("NMEA", "nmea")},
	{0, "$GL", convertible("NMEA", "nmea")},
	{0, "OziExplorer Track", convertible("OziExplorer", "ozi")},
	{0, zipMagic, "it is a zip archive in a pipe or in another archive; unpack it first"},
	{0, "PK\x05\x06", "it is a zip archive without files"},
	{257, "ustar", "it is a tar archive; unpack it first"},
	{0, "BZh", packed("bzip2")},
	{0, "\xfd7zXZ", packed("xz")},
	{0, "\x28\xb5\x2f\xfd", packed("zstd")},
	{0, "7z\xbc\xaf", packed("7-Zip")},
	{0, "Rar!", packed("RAR")},
	{0, "\xd0\xcf\x11\xe0", workbookAdvice},
	{0, "%PDF", "it is a PDF document, which has no positions to play"},
	{0, "SQLite format 3", "it is an SQLite database; export its positions as CSV"},
}

// foreignElements are the roots of other XML files.
var foreignElements = map[string]string{
	"kml":                    convertible("KML", "kml"),
	"TrainingCenterDatabase": convertible("TCX", "gtrnctr"),
	"html":                   "it is a web page, perhaps one that asks to sign in, instead of a recording",
	"HTML":                   "it is a web page, perhaps one that asks to sign in, instead of a recording",
}

const workbookAdvice = "it is a workbook of a spreadsheet; save it as CSV in UTF-8"

func packed(by string) string { return "it is compressed by " + by + "; replay reads gzip and zip" }

// convertible says how GPSBabel converts a format.
func convertible(format, gpsbabel string) string {
	return "it is " + format + ", which replay does not read; convert it to GPX, for example with: " +
		"gpsbabel -t -i " + gpsbabel + " -f FILE -o gpx -F FILE.gpx"
}

// foreign returns an error about a file that begins like this in another format; nil for text and
// for what is unknown.
func foreign(start []byte) error {
	for _, s := range foreignSignatures {
		if len(start) > s.offset && bytes.HasPrefix(start[s.offset:], []byte(s.bytes)) {
			return errors.New(s.advice)
		}
	}
	return nil
}

// foreignRoot returns an error about an XML file with this root element.
func foreignRoot(name string) error {
	if advice := foreignElements[name]; advice != "" {
		return errors.New(advice)
	}
	return errors.New("not GPX: its root element is " + strconv.Quote(name))
}
