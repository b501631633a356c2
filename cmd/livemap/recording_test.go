package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// write writes a recording, gzipped where its name ends in .gz.
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

const csvRecording = `vehicle_id,Latitude,lng,time,speed_kmh,topics,route,speed,note
T1,52.5,13.4,1795420000,85,depot:7; north,007,12,"a ""quoted"", note"
T2,+52.25,.5,2026-11-23T08:00:00Z,,,12.50,,
`

const gpxRecording = `<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1" xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2">
 <metadata><name>not a vehicle</name></metadata>
 <wpt lat="1" lon="2"><name>nor this</name></wpt>
 <trk><name> TRUCK-042 </name><extensions><name>nor that</name></extensions><trkseg>
  <trkpt lat="52.520008" lon="13.404954"><ele>34.5</ele><time>2026-11-23T08:00:00Z</time>
   <extensions><gpxtpx:TrackPointExtension><gpxtpx:speed>23.61</gpxtpx:speed><gpxtpx:course>270</gpxtpx:course></gpxtpx:TrackPointExtension></extensions>
  </trkpt>
 </trkseg></trk>
 <trk><trkseg><trkpt lat="52.6" lon="13.5"><time>2026-11-23T08:00:01Z</time><speed>10</speed><course>90.5</course></trkpt></trkseg></trk>
</gpx>`

func TestReplayFormats(t *testing.T) {
	ndjsonLines := at("T1", 1) + "\r\n\n  " + at("T2", 2) // the last line has no end
	ndjsonBodies := []string{at("T1", 1), at("T2", 2)}
	csvBodies := []string{
		`{"vehicle_id":"T1","lat":52.5,"lon":13.4,"timestamp":1795420000,"speed_kmh":85,"topics":["depot:7","north"],"route":"007","speed":12,"note":"a \"quoted\", note"}`,
		`{"vehicle_id":"T2","lat":52.25,"lon":0.5,"timestamp":"2026-11-23T08:00:00Z","route":12.50}`,
	}
	gpxBodies := []string{
		`{"vehicle_id":"TRUCK-042","lat":52.520008,"lon":13.404954,"altitude":34.5,"speed_kmh":84.996,"heading":270,"timestamp":"2026-11-23T08:00:00Z"}`,
		`{"vehicle_id":"NAME","lat":52.6,"lon":13.5,"speed_kmh":36,"heading":90.5,"timestamp":"2026-11-23T08:00:01Z"}`,
	}
	feature := `{"type":"Feature","id":"T9","geometry":{"type":"Point","coordinates":[13.4,52.5]},"properties":{"vehicle_id":"T9","timestamp":7}}`
	for _, test := range []struct {
		file, text string
		want       []string
	}{
		{"day.ndjson", ndjsonLines, ndjsonBodies},
		{"day.jsonl.gz", ndjsonLines, ndjsonBodies},
		{"features.ndjson", feature + "\n", []string{feature}},
		{"day.csv", csvRecording, csvBodies},
		{"DAY.CSV.gz", csvRecording, csvBodies},
		{"windows.csv", "\ufeff" + strings.ReplaceAll(csvRecording, "\n", "\r\n"), csvBodies},
		{"semicolons.csv", "id;lat;lon;name\nA;1;2;x\n", []string{`{"vehicle_id":"A","lat":1,"lon":2,"name":"x"}`}},
		{"both.csv", "id,vehicle_id,lat,lon\n17,A,1,2\n", []string{`{"id":17,"vehicle_id":"A","lat":1,"lon":2}`}},
		{"NAME.gpx", gpxRecording, gpxBodies},
		{"NAME.gpx.gz", gpxRecording, gpxBodies},
		{"unknown.log", ndjsonLines, ndjsonBodies},
		{"unknown.txt", csvRecording, csvBodies},
		{"NAME.xml", "\n" + gpxRecording[strings.Index(gpxRecording, "<gpx"):], gpxBodies},
		{"unnamed.bin", zipped(t, csvRecording), csvBodies},
		{"empty", "", nil},
		{"header.csv", "id,lat,lon\n", nil},
	} {
		t.Run(test.file, func(t *testing.T) {
			hub := newPublishedHub(t)
			out, stderr, status := command(t, "", "replay", "--speed=0", "--to", hub.URL, write(t, test.file, test.text))
			assert.Zero(t, status, stderr)
			assert.Empty(t, stderr)
			assert.Equal(t, (ack{Accepted: len(test.want)}).String()+"\n", out)
			assert.Equal(t, test.want, append([]string(nil), hub.published()...))
		})
	}
}

func TestReplayStandardInput(t *testing.T) {
	for name, text := range map[string]string{
		"ndjson": at("T1", 1) + "\n" + at("T2", 2),
		"csv":    csvRecording,
		"gpx":    gpxRecording,
		"gzip":   zipped(t, gpxRecording),
	} {
		t.Run(name, func(t *testing.T) {
			hub := newPublishedHub(t)
			out, stderr, status := command(t, text, "replay", "--speed=0", "--to", hub.URL, "-")
			assert.Zero(t, status, stderr)
			assert.Equal(t, "accepted 2, rejected 0, late 0, duplicate 0\n", out)
		})
	}
}

func TestReplayOrder(t *testing.T) {
	odd := write(t, "odd.ndjson", strings.Join([]string{at("A", 1), at("B", 3), at("C", 5), at("D", 7)}, "\n"))
	even := write(t, "even.csv.gz", "id,lat,lon,time\nE,1,2,2\nF,1,2,1970-01-01T00:00:04Z\nG,1,2,5000000000\n")
	unordered := write(t, "unordered.ndjson", strings.Join([]string{
		at("later", 6), `{"vehicle_id":"its neighbour","lat":1,"lon":1}`, at("sooner", 0), at("as D", 7)}, "\n"))
	tracks := write(t, "tracks.gpx", `<gpx><trk><name>M</name><trkseg><trkpt lat="1" lon="1"><time>1970-01-01T00:00:01Z</time></trkpt>`+
		`<trkpt lat="1" lon="1"><time>1970-01-01T00:00:03Z</time></trkpt></trkseg></trk>`+
		`<trk><name>N</name><trkseg><trkpt lat="1" lon="1"><time>1970-01-01T00:00:02Z</time></trkpt></trkseg></trk></gpx>`)
	for _, test := range []struct {
		name  string
		files []string
		stdin string
		want  []string
	}{
		{"merged", []string{odd, even}, "", []string{"A", "E", "B", "F", "C", "D", "G"}},
		{"equal times in the order of the files", []string{odd, unordered}, "", []string{"sooner", "A", "B", "C", "later", "its neighbour", "D", "as D"}},
		{"tracks side by side", []string{tracks}, "", []string{"M", "N", "M"}},
		{"standard input as it comes", []string{"-"}, at("late", 9) + "\n" + at("later", 1), []string{"late", "later"}},
		{"standard input among files", []string{odd, "-"}, at("first", 0) + "\n" + at("sixth", 6), []string{"first", "A", "B", "C", "sixth", "D"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			hub := newPublishedHub(t)
			_, stderr, status := command(t, test.stdin, append([]string{"replay", "--speed=0", "--to", hub.URL}, test.files...)...)
			assert.Zero(t, status, stderr)
			assert.Equal(t, test.want, hub.order(t, "vehicle_id"))
		})
	}
}

// What cannot be read is neither lost nor the end of the rest.
func TestReplayUnreadable(t *testing.T) {
	cut := zipped(t, strings.Repeat(at("A", 1)+"\n", 3))
	for _, test := range []struct {
		file, text string
		summary    string
		stderr     []string
	}{
		{"bad.ndjson", at("A", 1) + "\n{nonsense\n" + at("B", 2), "accepted 2, rejected 1", []string{"bad.ndjson:2: not JSON"}},
		{"when.ndjson", at("A", 1) + "\n" + `{"vehicle_id":"X","lat":1,"lon":1,"timestamp":"yesterday"}`, "accepted 1, rejected 1", []string{"when.ndjson:2: timestamp must be"}},
		{"long.ndjson", `{"vehicle_id":"` + strings.Repeat("x", 2<<20) + "\n" + at("B", 2), "accepted 1, rejected 1", []string{"long.ndjson:1: the line is longer than 1 MiB"}},
		{"cut.bin", cut[:len(cut)-9], "rejected ", []string{"the rest cannot be read: unexpected EOF"}},
		{"numbers.csv", "id,lat,lon\nA,1,2\nB,0x10,2\nC,NaN,2\nD,,2\n", "accepted 1, rejected 3", []string{"numbers.csv:3: lat must", "numbers.csv:4: lat must", "numbers.csv:5: lat must"}},
		{"fields.csv", "id,lat,lon\nA,1\nB,1,2,3\nC,1,2\n", "accepted 1, rejected 2", []string{"fields.csv:2: it has 2 fields, the header has 3", "fields.csv:3: it has 4"}},
		{"quotes.csv", "id,lat,lon\nA\"B,1,2\nC,1,2\n", "accepted 1, rejected 1", []string{"quotes.csv:2: not CSV"}},
		{"latin1.csv", "id,lat,lon\nM\xfcnchen,1,2\nC,1,2\n", "accepted 1, rejected 1", []string{"latin1.csv:2: it is not UTF-8"}},
		{"cut.gpx", `<gpx><trk><trkseg><trkpt lat="1" lon="2"/><trkpt lat="1"/><trkpt lat="1" lo`, "accepted 1, rejected 2", []string{"cut.gpx:1: lat must", "cut.gpx:1: the rest cannot be read"}},
	} {
		t.Run(test.file, func(t *testing.T) {
			hub := newPublishedHub(t)
			out, stderr, status := command(t, "", "replay", "--speed=0", "--to", hub.URL, write(t, test.file, test.text))
			assert.Equal(t, 1, status)
			assert.Contains(t, out, test.summary)
			for _, want := range test.stderr {
				assert.Contains(t, stderr, want)
			}
		})
	}
}

func TestReplayNoRecording(t *testing.T) {
	for _, test := range []struct{ name, file, text, want string }{
		{"no positions", "a.csv", "name,lon\n", "a.csv: it has no column vehicle_id"},
		{"no latitude", "a.csv", "id,lon\n", "a.csv: it has no column lat; replay reads NDJSON, GPX, and CSV"},
		{"column twice", "a.csv", "id,lat,lon,x,x\n", "two columns x"},
		{"binary", "a.pb", "\n\r\n\x032.0\x10\x00", "a.pb: it has no column"},
		{"array", "a.json", `[{"vehicle_id":"A"}]`, "jq -c"},
		{"other XML", "a.gpx", "<kml/>", `a.gpx: it is no GPX: its root element is "kml"`},
		{"no XML", "a.gpx", "hello", "a.gpx: it is no GPX"},
		{"not gzip", "a.bin", "\x1f\x8bnope......", "gzip"},
	} {
		t.Run(test.name, func(t *testing.T) {
			hub := newPublishedHub(t)
			good := write(t, "good.ndjson", at("A", 1))
			out, stderr, status := command(t, "", "replay", "--to", hub.URL, good, write(t, test.file, test.text))
			assert.Equal(t, 2, status)
			assert.Contains(t, stderr, test.want)
			assert.Empty(t, out)
			assert.Empty(t, hub.published(), "nothing is published where a file is no recording")
		})
	}
}

// FuzzRecording holds that any bytes are read to their end without a panic, and
// that every body is one line.
func FuzzRecording(f *testing.F) {
	for _, seed := range []string{csvRecording, gpxRecording, at("A", 1), "[", "id,lat,lon\n\"", "<gpx><trk><name/></gpx>"} {
		for _, extension := range []string{".csv", ".gpx", ".ndjson", ""} {
			f.Add(extension, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, extension string, text []byte) {
		r := &recording{name: "recording" + extension}
		if r.detect(bytes.NewReader(text)) != nil {
			return
		}
		for range 2*len(text) + 2 {
			rec, err := r.next()
			if err != nil {
				return
			}
			require.NotEqual(t, rec.refused == "", len(rec.body) == 0, "a record has a body or a reason")
			require.NotContains(t, string(rec.body), "\n")
			require.LessOrEqual(t, rec.stamp.to, len(rec.body))
		}
		t.Fatal("it does not end")
	})
}
