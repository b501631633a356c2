package recording

import (
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// written encodes a text as other programs write it.
func written(t *testing.T, e encoding.Encoding, text string) string {
	t.Helper()
	text, err := e.NewEncoder().String(text)
	require.NoError(t, err)
	return text
}

func TestEncodings(t *testing.T) {
	const (
		csv    = "vehicle_id\tlat\tlon\ttimestamp\nMünchen 1 €\t48.1\t11.5\t1795420000\n"
		ndjson = `{"vehicle_id":"München 1 €","lat":48.1,"lon":11.5,"timestamp":1795420000}` + "\n"
		gpx    = `<gpx><trk><name>München 1 €</name><trkseg><trkpt lat="48.1" lon="11.5">` +
			`<time>2026-11-23T07:46:40Z</time></trkpt></trkseg></trk></gpx>`
	)
	declared := func(name string) string { return `<?xml version="1.0" encoding="` + name + `"?>` + "\n" + gpx }
	const singleQuotes = `<?xml version='1.0' encoding='Windows-1252' standalone='no' ?>`
	const mark = "\ufeff"
	little := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	big := unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	wide := utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)
	wideBig := utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)
	windows := charmap.Windows1252
	for name, file := range map[string]string{
		"UTF-8.csv":                         csv,
		"UTF-8, mark.csv":                   mark + csv,
		"Excel's Unicode text.txt":          written(t, little, mark+csv),
		"UTF-16.csv":                        written(t, little, csv),
		"UTF-16, big endian, mark.csv":      written(t, big, mark+csv),
		"UTF-16, big endian.csv":            written(t, big, csv),
		"UTF-32, mark.csv":                  written(t, wide, mark+csv),
		"UTF-32, big endian, mark.csv":      written(t, wideBig, mark+csv),
		"windows-1252.csv":                  written(t, windows, csv),
		"UTF-8, mark.ndjson":                mark + ndjson,
		"PowerShell.ndjson":                 written(t, little, mark+ndjson),
		"UTF-16.ndjson":                     written(t, little, ndjson),
		"windows-1252.ndjson":               written(t, windows, ndjson),
		"undeclared.gpx":                    gpx,
		"UTF-8, mark, declared.gpx":         mark + declared("UTF-8"),
		"mark wins.gpx":                     mark + declared("ISO-8859-1"),
		"declared windows-1252.gpx":         written(t, windows, declared("windows-1252")),
		"declared CP1252.gpx":               written(t, windows, declared("CP1252")),
		"declared ISO-8859-15.gpx":          written(t, charmap.ISO8859_15, declared("ISO-8859-15")),
		"declared UTF-16, mark.gpx":         written(t, little, mark+declared("UTF-16")),
		"declared utf-16.gpx":               written(t, big, declared("utf-16")),
		"declared UTF-16, but UTF-8.gpx":    declared("utf-16"),
		"declared UTF-8, but 1252.gpx":      written(t, windows, declared("UTF-8")),
		"undeclared windows-1252.gpx":       written(t, windows, gpx),
		"spaces before the declaration.gpx": " \n" + written(t, windows, declared("windows-1252")),
		"standalone, single quotes.gpx":     written(t, windows, singleQuotes+gpx),
	} {
		t.Run(name, func(t *testing.T) {
			for _, name := range []string{name, name + ".gz"} {
				p, err := Open([]string{write(t, name, file)}, nil)
				require.NoError(t, err)
				all := bodies(t, p)
				require.Len(t, all, 1)
				want := `{"vehicle_id":"München 1 €","lat":48.1,"lon":11.5,`
				assert.True(t, strings.HasPrefix(all[0], want), all[0])
			}
		})
	}
}

// Text of two encodings, as in logs to which several programs write, is read character by character.
func TestMixedEncodings(t *testing.T) {
	text := at("Málaga", 1) + "\n" + written(t, charmap.Windows1252, at("Málaga", 2)) + "\n"
	p, err := Open([]string{"-"}, iotest.OneByteReader(strings.NewReader(text))) // characters come in parts
	require.NoError(t, err)
	assert.Equal(t, []string{at("Málaga", 1), at("Málaga", 2)}, bodies(t, p))
}
