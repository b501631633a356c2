package recording

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// write writes a recording. It gzips one whose name ends in .gz.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if strings.HasSuffix(name, ".gz") {
		text = zipped(t, text)
	}
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func zipped(t *testing.T, text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// bodies reads a playlist to its end.
func bodies(t *testing.T, p *Playlist) (bodies []string) {
	t.Helper()
	for {
		rec, err := p.Next()
		if err == io.EOF {
			return bodies
		}
		require.NoError(t, err)
		require.Empty(t, rec.Refused)
		bodies = append(bodies, string(rec.Body))
	}
}

// at makes a position object of a vehicle at a Unix time.
func at(vehicle string, seconds float64) string {
	return fmt.Sprintf(`{"vehicle_id":%q,"lat":52.5,"lon":13.4,"timestamp":%v}`, vehicle, seconds)
}

const csvRecording = `vehicle_id,Latitude,lng,time,speed_kmh,topics,route,speed,note
T1,52.5,13.4,1795420000,85,depot:7; north,007,12,"a ""quoted"", note"
T2,+52.25,.5,2026-11-23T08:00:00Z,,,12.50,,
`

const gpxRecording = `<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1"
 xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2">
 <metadata><name>not a vehicle</name></metadata>
 <wpt lat="1" lon="2"><name>nor this</name></wpt>
 <trk><name> TRUCK-042 </name><extensions><name>nor that</name></extensions><trkseg>
  <trkpt lat="52.520008" lon="13.404954"><ele>34.5</ele><time>2026-11-23T08:00:00Z</time>
   <extensions><gpxtpx:TrackPointExtension>
    <gpxtpx:speed>23.61</gpxtpx:speed><gpxtpx:course>270</gpxtpx:course>
   </gpxtpx:TrackPointExtension></extensions>
  </trkpt>
 </trkseg></trk>
 <trk><trkseg><trkpt lat="52.6" lon="13.5">
  <time>2026-11-23T08:00:01Z</time><speed>10</speed><course>90.5</course>
 </trkpt></trkseg></trk>
</gpx>`

func TestFormats(t *testing.T) {
	ndjsonLines := at("T1", 1) + "\r\n\n  " + at("T2", 2) // the last line has no end
	ndjsonBodies := []string{at("T1", 1), at("T2", 2)}
	csvBodies := []string{
		`{"vehicle_id":"T1","lat":52.5,"lon":13.4,"timestamp":1795420000,"speed_kmh":85,` +
			`"topics":["depot:7","north"],"route":"007","speed":12,"note":"a \"quoted\", note"}`,
		`{"vehicle_id":"T2","lat":52.25,"lon":0.5,"timestamp":"2026-11-23T08:00:00Z","route":12.50}`,
	}
	semicolonBodies := []string{`{"vehicle_id":"A","lat":1,"lon":2,"name":"x"}`}
	bothIDsBodies := []string{`{"id":17,"vehicle_id":"A","lat":1,"lon":2}`}
	gpxBodies := []string{
		`{"vehicle_id":"TRUCK-042","lat":52.520008,"lon":13.404954,"altitude":34.5,` +
			`"speed_kmh":84.996,"heading":270,"timestamp":"2026-11-23T08:00:00Z"}`,
		`{"vehicle_id":"NAME","lat":52.6,"lon":13.5,"speed_kmh":36,"heading":90.5,` +
			`"timestamp":"2026-11-23T08:00:01Z"}`,
	}
	feature := `{"type":"Feature","id":"T9","geometry":{"type":"Point","coordinates":[13.4,52.5]},` +
		`"properties":{"vehicle_id":"T9","timestamp":7}}`
	for _, test := range []struct {
		file, text string
		want       []string
	}{
		{"day.ndjson", ndjsonLines, ndjsonBodies},
		{"day.jsonl.gz", ndjsonLines, ndjsonBodies},
		{"features.ndjson", feature + "\n", []string{feature}},
		{"day.csv", csvRecording, csvBodies},
		{"DAY.CSV.gz", csvRecording, csvBodies},
		{"windows.ndjson.gz", "\ufeff" + strings.ReplaceAll(ndjsonLines, "\n", "\r\n"), ndjsonBodies},
		{"windows.csv", "\ufeff" + strings.ReplaceAll(csvRecording, "\n", "\r\n"), csvBodies},
		{"semicolons.csv", "id;lat;lon;name\nA;1;2;x\n", semicolonBodies},
		{"both.csv", "id,vehicle_id,lat,lon\n17,A,1,2\n", bothIDsBodies},
		{"NAME.gpx", gpxRecording, gpxBodies},
		{"NAME.gpx.gz", gpxRecording, gpxBodies},
		{"unknown.log", ndjsonLines, ndjsonBodies},
		{"unknown.txt", csvRecording, csvBodies},
		{"NAME.xml", "\n" + gpxRecording[strings.Index(gpxRecording, "<gpx"):], gpxBodies},
		{"unnamed.bin", zipped(t, csvRecording), csvBodies},
	} {
		t.Run(test.file, func(t *testing.T) {
			p, err := Open([]string{write(t, test.file, test.text)}, nil)
			require.NoError(t, err)
			assert.Equal(t, len(test.want), p.Total())
			assert.NoError(t, p.Empty())
			assert.Equal(t, test.want, bodies(t, p))
		})
	}
}

func TestStandardInput(t *testing.T) {
	for name, text := range map[string]string{
		"ndjson": at("T1", 1) + "\n" + at("T2", 2),
		"csv":    csvRecording,
		"gpx":    gpxRecording,
		"gzip":   zipped(t, gpxRecording),
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Open([]string{"-"}, strings.NewReader(text))
			require.NoError(t, err)
			assert.Zero(t, p.Total(), "how many there are is not known beforehand")
			assert.Len(t, bodies(t, p), 2)
		})
	}
}

func TestOrder(t *testing.T) {
	join := func(lines ...string) string { return strings.Join(lines, "\n") }
	odd := write(t, "odd.ndjson", join(at("A", 1), at("B", 3), at("C", 5), at("D", 7)))
	even := write(t, "even.csv.gz", join(
		"id,lat,lon,time",
		"E,1,2,2",
		"F,1,2,1970-01-01T00:00:04Z",
		"G,1,2,8"))
	unordered := write(t, "unordered.ndjson", join(
		at("later", 6),
		`{"vehicle_id":"untimed","lat":1,"lon":1}`,
		at("sooner", 0),
		at("as D", 7)))
	tracks := write(t, "tracks.gpx", `<gpx><trk><name>M</name><trkseg>`+
		`<trkpt lat="1" lon="1"><time>1970-01-01T00:00:01Z</time></trkpt>`+
		`<trkpt lat="1" lon="1"><time>1970-01-01T00:00:03Z</time></trkpt></trkseg></trk>`+
		`<trk><name>N</name><trkseg>`+
		`<trkpt lat="1" lon="1"><time>1970-01-01T00:00:02Z</time></trkpt></trkseg></trk></gpx>`)
	inFileOrder := []string{"sooner", "A", "B", "C", "later", "D", "as D"}
	late := join(at("late", 9), at("later", 1))
	amongFiles := []string{"first", "A", "B", "C", "sixth", "D"}
	sixth := join(at("first", 0), at("sixth", 6))
	for _, test := range []struct {
		name  string
		files []string
		stdin string
		want  []string
	}{
		{"merged", []string{odd, even}, "", []string{"A", "E", "B", "F", "C", "D", "G"}},
		{"equal times in the order of the files", []string{odd, unordered}, "", inFileOrder},
		{"tracks side by side", []string{tracks}, "", []string{"M", "N", "M"}},
		{"standard input as it comes", []string{"-"}, late, []string{"late", "later"}},
		{"standard input among files", []string{odd, "-"}, sixth, amongFiles},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := Open(test.files, strings.NewReader(test.stdin))
			require.NoError(t, err)
			var order []string
			for _, body := range bodies(t, p) {
				var r struct {
					VehicleID string `json:"vehicle_id"`
				}
				require.NoError(t, json.Unmarshal([]byte(body), &r))
				order = append(order, r.VehicleID)
			}
			assert.Equal(t, test.want, order)
		})
	}
}

// Positions without a time are left out where others of the file have one. What the hub refuses anyhow stays,
// and so does a file without any times.
func TestUntimed(t *testing.T) {
	const untimed = `{"vehicle_id":"U","lat":1,"lon":1}`
	const null = `{"vehicle_id":"N","lat":1,"lon":1,"timestamp":null}`
	const when = `{"vehicle_id":"W","lat":1,"lon":1,"timestamp":"yesterday"}`
	gpx := func(times ...string) string {
		text := "<gpx><trk><name>G</name><trkseg>"
		for _, at := range times {
			text += `<trkpt lat="1" lon="2">` + at + "</trkpt>"
		}
		return text + "</trkseg></trk></gpx>"
	}
	const point = `{"vehicle_id":"G","lat":1,"lon":2,"timestamp":"2026-11-23T08:00:00Z"}`
	const left = " without a time left out, as others in it have one"
	for _, test := range []struct {
		name, file, text string
		want             []string
		says             string
	}{
		{"first and last", "a.gpx", gpx("", "<time>2026-11-23T08:00:00Z</time>", ""),
			[]string{point}, "2 positions" + left},
		{"not in order", "a.ndjson", strings.Join([]string{at("B", 2), untimed, at("A", 1)}, "\n"),
			[]string{at("A", 1), at("B", 2)}, "1 position" + left},
		{"refused anyhow", "a.ndjson", strings.Join([]string{"{}", when, at("A", 1), "nonsense"}, "\n"),
			[]string{"{}", when, at("A", 1), "nonsense"}, ""},
		{"null", "a.ndjson", at("A", 1) + "\n" + null, []string{at("A", 1)}, "1 position" + left},
		{"none has a time", "a.ndjson", untimed + "\n" + untimed, []string{untimed, untimed}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, test.file, test.text)
			p, err := Open([]string{path}, nil)
			require.NoError(t, err)
			assert.Equal(t, len(test.want), p.Total())
			assert.Equal(t, test.want, bodies(t, p))
			if test.says == "" {
				assert.NoError(t, p.LeftOut())
				return
			}
			assert.EqualError(t, p.LeftOut(), path+": "+test.says)
		})
	}
}

// One wrong time is not of the recording. Where most times do not agree, all are kept.
func TestOutliers(t *testing.T) {
	const year = 365 * 86400
	lines := func(times ...float64) []string {
		var all []string
		for _, seconds := range times {
			all = append(all, at("A", seconds))
		}
		return all
	}
	good := []float64{50 * year, 50*year + 1, 51 * year}
	says := func(line int, time string) string {
		return fmt.Sprintf("F:%d: left out: its time %s is over a year from most others; --keep-outliers plays it",
			line, time)
	}
	for _, test := range []struct {
		name  string
		times []float64
		keep  bool
		want  []string
		says  string
	}{
		{"none", good, false, lines(good...), ""},
		{"first", append([]float64{1}, good...), false, lines(good...), says(1, "1970-01-01T00:00:01Z")},
		{"last", append(good[:3:3], 136*year), false, lines(good...), says(4, "2105-11-29T00:00:00Z")},
		{"kept", append([]float64{1}, good...), true, lines(append([]float64{1}, good...)...), ""},
		{"half", []float64{1, 2, 50 * year, 50*year + 1}, false, lines(1, 2, 50*year, 50*year+1), ""},
		{"many", append([]float64{1, 2, 3, 4}, append(good, 52*year, 53*year)...), false,
			lines(append(good[:3:3], 52*year, 53*year)...), says(1, "1970-01-01T00:00:01Z") + "\n" +
				says(2, "1970-01-01T00:00:02Z") + "\n" + says(3, "1970-01-01T00:00:03Z") +
				"\nF: and 1 more with such a time"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, "day.ndjson", strings.Join(lines(test.times...), "\n"))
			p, err := Options{KeepOutliers: test.keep}.Open([]string{path}, nil)
			require.NoError(t, err)
			assert.Equal(t, len(test.want), p.Total())
			assert.Equal(t, test.want, bodies(t, p))
			said := ""
			if err := p.LeftOut(); err != nil {
				said = strings.ReplaceAll(err.Error(), path, "F")
			}
			assert.Equal(t, test.says, said)
		})
	}
}

// What cannot be read stays behind the record before it that is played, not behind an outlier.
func TestRefusedBehindOutlier(t *testing.T) {
	text := []string{at("A", 10), at("X", 5e9), "nonsense", at("C", 20), at("B", 15)}
	p, err := Open([]string{write(t, "day.ndjson", strings.Join(text, "\n"))}, nil)
	require.NoError(t, err)
	assert.Equal(t, []string{at("A", 10), "nonsense", at("B", 15), at("C", 20)}, bodies(t, p))
}

// What a file without positions has instead is said, and the other files are played.
func TestNothingToPlay(t *testing.T) {
	const gpx = `<gpx><wpt lat="1" lon="2"/><rte><rtept lat="1" lon="2"/></rte>`
	for _, test := range []struct{ name, file, text, want string }{
		{"empty", "day", "", "it is empty"},
		{"white space", "day.ndjson.gz", "\n \r\n", "it is empty"},
		{"a mark", "day.ndjson", "\ufeff", "it is empty"},
		{"a header", "day.csv", "id,lat,lon\n\n", "there is nothing below the names of its columns"},
		{"a title and a header", "day.csv", "Day\nlat,lon", "there is nothing below the names of its columns"},
		{"no Features", "day.json", `{"type":"FeatureCollection","features":[]}`, "its list of positions is empty"},
		{"an array", "day.json", `[ ]`, "its list of positions is empty"},
		{"no tracks", "day.gpx", `<gpx version="1.1"/>`, "it has no tracks"},
		{"waypoints", "day.gpx", `<gpx><wpt lat="1" lon="2"/><wpt lat="1" lon="2"/></gpx>`,
			"it has 2 waypoints, but no point of a track"},
		{"a waypoint and a route", "day.gpx", gpx + "</gpx>",
			"it has 1 waypoint and 1 route, but no point of a track"},
		{"routes, tracks without points", "day.gpx", "<gpx><rte/><rte/><trk/><trk><trkseg/></trk></gpx>",
			"it has 2 routes and 2 tracks, but no point of a track"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, test.file, test.text)
			p, err := Open([]string{path, write(t, "good.ndjson", at("A", 1))}, nil)
			require.NoError(t, err)
			assert.EqualError(t, p.Empty(), path+": nothing to play: "+test.want)
			assert.Equal(t, []string{at("A", 1)}, bodies(t, p))

			p, err = Open([]string{"-"}, strings.NewReader(test.text))
			require.NoError(t, err)
			assert.NoError(t, p.Empty(), "it is not read yet")
			assert.Empty(t, bodies(t, p))
			assert.EqualError(t, p.Empty(), "standard input: nothing to play: "+test.want)
		})
	}
}

func TestNoRecording(t *testing.T) {
	for _, test := range []struct{ name, file, text, want string }{
		{"no positions", "a.csv", "name,lon\n", "a.csv: it has no column lat"},
		{"no latitude", "a.csv", "id,lon\n",
			"a.csv: it has no column lat; replay reads NDJSON, GPX, and CSV"},
		{"no longitude", "a.csv", "id;lat\n", "a.csv: it has no column lon;"},
		{"no separator", "a.csv", "sep=\n", "a.csv: it has no column lat;"},
		{"column twice", "a.csv", "id,lat,lon,x,x\n", "two columns x"},
		{"binary", "a.pb", "\n\r\n\x032.0\x10\x00", "a.pb: it has no column"},
		{"other XML", "a.gpx", "<osm/>", `a.gpx: not GPX: its root element is "osm"`},
		{"no XML", "a.gpx", "hello", "a.gpx: not GPX: it has no XML element"},
		{"empty XML", "a.gpx", "", "a.gpx: not GPX: it has no XML element"},
		{"cut XML", "a.gpx", "<?xml version", "a.gpx: not GPX: the file ends in the middle; it was cut"},
		{"not gzip", "a.bin", "\x1f\x8bnope......", "a.bin: its gzip compression is damaged"},
		{"cut gzip", "a.bin", "\x1f\x8b\x08", "a.bin: the file ends in the middle; it was cut"},
		{"encoding", "a.gpx", `<?xml version="1.0" encoding="x-mac-etruscan"?><gpx/>`,
			`a.gpx: its encoding is "x-mac-etruscan", which replay does not know; save it as UTF-8`},
	} {
		t.Run(test.name, func(t *testing.T) {
			good := write(t, "good.ndjson", at("A", 1))
			_, err := Open([]string{good, write(t, test.file, test.text)}, nil)
			assert.ErrorContains(t, err, test.want)
		})
	}
}

// One bad file does not keep the others from being checked.
func TestEveryMistakeIsNamed(t *testing.T) {
	good := write(t, "good.ndjson", at("A", 1))
	_, err := Open([]string{
		write(t, "a.csv", "name,lon\n"),
		good,
		"missing.gpx",
		t.TempDir(),
		write(t, "other.gpx", "<kml/>"),
		good,
	}, nil)
	require.Error(t, err)
	mistakes := strings.Split(err.Error(), "\n")
	require.Len(t, mistakes, 5)
	for i, want := range []string{
		"a.csv: it has no column", "missing.gpx: no such file", "is a folder",
		"other.gpx: ", "good.ndjson: given twice",
	} {
		assert.Contains(t, mistakes[i], want)
	}
}

// Programs write the times and members of GPX in many ways.
func TestTrackPoints(t *testing.T) {
	for name, test := range map[string]struct{ point, want string }{
		"without a zone": {"<time>2026-11-23T08:00:00</time>", `,"timestamp":"2026-11-23T08:00:00Z"`},
		"space, no zone": {"<time> 2026-11-23 08:00:00.5 </time>", `,"timestamp":"2026-11-23T08:00:00.5Z"`},
		"leap second":    {"<time>2016-12-31T23:59:60Z</time>", `,"timestamp":"2016-12-31T23:59:60Z"`},
		"offset":         {"<time>2026-11-23T09:00:00+01:00</time>", `,"timestamp":"2026-11-23T09:00:00+01:00"`},
		"no time":        {"<time>today</time>", `,"timestamp":"today"`},
		"bearing":        {"<bearing>270</bearing>", `,"heading":270`},
		"bearing inside": {"<extensions><x><bearing>5</bearing></x></extensions>", `,"heading":5`},
		"below 0":        {"<speed>-1</speed><course>-1</course>", ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := `<gpx><trk><name>A</name><trkseg><trkpt lat="1" lon="2">` + test.point +
				`</trkpt></trkseg></trk></gpx>`
			p, err := Open([]string{"-"}, strings.NewReader(text))
			require.NoError(t, err)
			want := `{"vehicle_id":"A","lat":1,"lon":2` + test.want + "}"
			assert.Equal(t, []string{want}, bodies(t, p))
		})
	}
}

// FuzzRecording checks that any bytes are read to their end without a panic, and that every
// body is one line.
func FuzzRecording(f *testing.F) {
	for _, seed := range []string{
		csvRecording,
		gpxRecording,
		at("A", 1),
		"[",
		"id,lat,lon\n\"",
		"<gpx><trk><name/></gpx>",
		"sep=;\nday\nlat;lon;date;time;x\n1,5;2,5S;23.11.2026;8:00;\"1\n\"\n",
		"lat\tlon\tspeed\r\n1\x00\tE2\t5 km/h\r\n",
		"{\"features\":[\n" + at("A", 1) + "]}\n[" + at("B", 2) + "]{\"a\":[{}]}",
		"\xff\xfe{\x00}\x00",
		`<?xml version="1.0" encoding="windows-1252"?><gpx><trk><name>` + "\xe9</name></trk></gpx>",
	} {
		for _, extension := range []string{".csv", ".gpx", ".ndjson", ""} {
			f.Add(extension, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, extension string, text []byte) {
		r := &recordFile{name: "recording" + extension}
		if r.detect(bytes.NewReader(text)) != nil {
			return
		}
		for range 2*len(text) + 2 {
			rec, err := r.next()
			if err != nil {
				return
			}
			require.NotEqual(t, rec.Refused == "", len(rec.Body) == 0, "a record has a body or a reason")
			require.NotContains(t, string(rec.Body), "\n")
			require.LessOrEqual(t, rec.stamp.to, len(rec.Body))
		}
		t.Fatal("it does not end")
	})
}

// FuzzRestamp moves the timestamp of any recorded position. JSON stays JSON, and has the new
// time.
func FuzzRestamp(f *testing.F) {
	for _, seed := range []string{
		at("A", 1),
		`{"properties":{"timestamp":"1970-01-01T00:00:00Z"},"type":"Feature","timestamp":5}`,
		`{"timestamp":1,"timestamp":2}`,
		`{"\u0074imestamp" : 1.5e9 }`,
		`{"type":"Feature","properties":null,"timestamp":1}`,
		`{"timestamp":"\u0031970-01-01t00:00:00z"}`,
	} {
		f.Add([]byte(seed))
	}
	moved := time.UnixMilli(1795421061123)
	f.Fuzz(func(t *testing.T, body []byte) {
		at, where, found := findTimestamp(body)
		if !found {
			return
		}
		require.False(t, at.IsZero())
		rec := Record{Body: body, At: at, stamp: where}.Restamp(moved)
		require.Equal(t, json.Valid(body), json.Valid(rec.Body), "%s", rec.Body)
		again, _, found := findTimestamp(rec.Body)
		require.True(t, found && again.Equal(moved), "%s", rec.Body)
	})
}
