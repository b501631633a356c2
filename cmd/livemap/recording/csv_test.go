package recording

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// csvBodies returns the bodies of a CSV file called truck-7.csv.
func csvBodies(t *testing.T, text string) []string {
	t.Helper()
	p, err := Open([]string{write(t, "truck-7.csv", text)}, nil)
	require.NoError(t, err)
	return bodies(t, p)
}

func TestCSVColumns(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"semicolons", "id;lat;lon\nA;1.5;2", `"A","lat":1.5,"lon":2`},
		{"tabs, one value empty", "id\tlat\tnote\tlon\nA\t1.5\t\t2", `"A","lat":1.5,"lon":2`},
		{"vertical bars", "id|lat|lon\nA|1.5|2", `"A","lat":1.5,"lon":2`},
		{"Excel's line", "sep=;\nid;lat;lon\nA;1.5;2", `"A","lat":1.5,"lon":2`},
		{"Excel's line, quoted, Windows", "\"sep=|\"\r\nid|lat|lon\r\nA|1.5|2\r\n", `"A","lat":1.5,"lon":2`},
		{"another separator", "SEP=^\nid^lat^lon\nA^1.5^2", `"A","lat":1.5,"lon":2`},
		{"comma in a name", "id;lat;lon;\"a, b, c, d, e\"\nA;1.5;2;x", `"A","lat":1.5,"lon":2,"a, b, c, d, e":"x"`},
		{"spaces behind commas", "id, lat, lon, note\nA, 1.5, 2, \"b, c\"", `"A","lat":1.5,"lon":2,"note":"b, c"`},
		{"title, comment", "Trip of 7 May\n\n# v1\nid,lat,lon\nA,1.5,2", `"A","lat":1.5,"lon":2`},
		{"comma at the ends of rows", "id,lat,lon\nA,1.5,2,,", `"A","lat":1.5,"lon":2`},
		{"comma at the end of the header", "id,lat,lon,\nA,1.5,2", `"A","lat":1.5,"lon":2`},
		{"padded with NUL", "id,lat,lon,n\x00\nA\x00\x00,1.5\x00,2,5\x00", `"A","lat":1.5,"lon":2,"n":5`},
		{"no vehicle", "lat,lon\n1.5,2", `"truck-7","lat":1.5,"lon":2`},
		{"two ids", "id,Device ID,lat,lon\n17,A,1.5,2", `"A","lat":1.5,"lon":2`},
		{"other names", "IMEI,Latitude,Longitude,alt,acc,Bearing\n35,1.5,2,3,4,5",
			`"35","lat":1.5,"lon":2,"altitude":3,"accuracy":4,"heading":5`},
		{"best name", "lat,lon,alt,altitude,course,heading\n1.5,2,3,4,5,6",
			`"truck-7","lat":1.5,"lon":2,"alt":3,"altitude":4,"course":5,"heading":6`},
		{"units", "lat,lon,Speed (km/h),Height [ft]\n1.5,2,50,100",
			`"truck-7","lat":1.5,"lon":2,"speed_kmh":50,"altitude":30.48`},
		{"more units", "lat (deg),lon (deg),speed_mph,altitude_m\n1.5,2,50,100",
			`"truck-7","lat":1.5,"lon":2,"speed_kmh":80.467,"altitude":100`},
		{"knots", "lat,lon,speed knots\n1.5,2,10", `"truck-7","lat":1.5,"lon":2,"speed_kmh":18.52`},
		{"m/s", "lat,lon,Velocity(m/s)\n1.5,2,10", `"truck-7","lat":1.5,"lon":2,"speed_kmh":36`},
		{"no formulas", "id,lat,lon,'=x,n,q,a\n'=1+1,1.5,2,'-5,'5,''@,'s",
			`"=1+1","lat":1.5,"lon":2,"=x":"-5","n":"'5","q":"'@","a":"'s"`},
		{"units in values", "lat,lon,HEIGHT,SPEED\n1.5,2,513.863 M,10 mph",
			`"truck-7","lat":1.5,"lon":2,"altitude":513.863,"speed_kmh":16.093`},
		{"units in values, decimal commas", "lat;lon;Speed;x\n1,5;2;10,5km/h;5 km/h",
			`"truck-7","lat":1.5,"lon":2,"speed_kmh":10.5,"x":"5 km/h"`},
		{"another unit in a value", "lat,lon,alt,speed\n1.5,2,5 km,5 furlongs",
			`"truck-7","lat":1.5,"lon":2,"altitude":"5 km","speed":"5 furlongs"`},
		{"comma before a unit", "lat|lon|Speed, km/h\n1.5|2|10", `"truck-7","lat":1.5,"lon":2,"speed_kmh":10`},
		{"no unit, not known whose", "lat,lon,speed\n1.5,2,10", `"truck-7","lat":1.5,"lon":2,"speed":10`},
		{"unit that no speed has", "lat,lon,speed (%)\n1.5,2,10", `"truck-7","lat":1.5,"lon":2,"speed (%)":10`},
		{"Android's names", "lat,lon,bearing,speed,acc\n1.5,2,90,10,5",
			`"truck-7","lat":1.5,"lon":2,"heading":90,"speed_kmh":36,"accuracy":5`},
		{"hemispheres", "lat,N/S,lon,E/W\n1.5,S,2,w", `"truck-7","lat":-1.5,"lon":-2`},
		{"hemispheres, north-east", "lat,N/S,lon,E/W\n1.5,N,2,E", `"truck-7","lat":1.5,"lon":2`},
		{"hemispheres in values", "lat,lon\n1.5S,W 2", `"truck-7","lat":-1.5,"lon":-2`},
		{"degrees, minutes", "lat,lon\n1°30'N,2", `"truck-7","lat":"1°30'N","lon":2`},
		{"below zero: not known", "lat,lon,heading,speed_kmh,altitude\n1.5,2,-1,-1,-1",
			`"truck-7","lat":1.5,"lon":2,"altitude":-1`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := csvBodies(t, test.text)
			require.Len(t, got, 1)
			got[0] = strings.Replace(got[0], `"id":17,`, "", 1)
			assert.Equal(t, `{"vehicle_id":`+test.want+"}", got[0])
		})
	}
}

// What stands in a column that the hub does not know keeps its text, unless a number has the same.
func TestCSVText(t *testing.T) {
	for _, test := range []struct{ value, want string }{
		{"12", `12`},
		{"-12.50", `-12.50`},
		{"0.000001", `0.000001`},
		{"123456789.12345", `123456789.12345`},
		{"1234567890.123456", `"1234567890.123456"`},
		{"123456789012345", `123456789012345`},
		{"1234567890123456", `"1234567890123456"`},
		{"8949012345678901234", `"8949012345678901234"`},
		{"1e5", `"1e5"`},
		{"12E3", `"12E3"`},
		{"007", `"007"`},
		{"+49", `"+49"`},
		{".5", `".5"`},
		{"5.", `"5."`},
		{"1,5", `1.5`},
		{"1,2,3", `"1,2,3"`},
		{"true", `"true"`},
		{`"12"`, `"12"`},
		{`"a ""b"""`, `"a \"b\""`},
		{"\"12\n\"", `"12\n"`},
	} {
		t.Run(test.value, func(t *testing.T) {
			// The second row begins behind a line break in quotes and an empty line.
			const first = "lat;lon;x;y\n1,5;2,5;\"a\n\n\";\"3\"\n\n"
			row := "1,5;2,5;" + test.value + ";3\n"
			text := first + row + row
			got := csvBodies(t, text)
			require.Len(t, got, 3)
			assert.Equal(t, `{"vehicle_id":"truck-7","lat":1.5,"lon":2.5,"x":"a\n\n","y":"3"}`, got[0])
			assert.Equal(t, `{"vehicle_id":"truck-7","lat":1.5,"lon":2.5,"x":`+test.want+`,"y":3}`, got[1])
			assert.Equal(t, got[1], got[2])
		})
	}
}

func TestCSVDecimalCommas(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"semicolons", "lat;lon;speed_kmh;timestamp\n52,5;13;85,5;1795420000",
			`52.5,"lon":13,"speed_kmh":85.5,"timestamp":1795420000`},
		{"quoted", "lat,lon,altitude\n\"52,5\",\"13,4\",\"34,5\"", `52.5,"lon":13.4,"altitude":34.5`},
		{"points", "lat;lon;altitude\n52.5;13.4;1,234", `52.5,"lon":13.4,"altitude":"1,234"`},
		{"thousands", "lat;lon;altitude\n52,5;13,4;1.234,5", `52.5,"lon":13.4,"altitude":"1.234,5"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, []string{`{"vehicle_id":"truck-7","lat":` + test.want + "}"}, csvBodies(t, test.text))
		})
	}
}

func TestCSVTimes(t *testing.T) {
	for _, test := range []struct{ header, row, want string }{
		{"time", "1795420000", `1795420000`},
		{"time", "1795420000123", `1795420000123`},
		{"time", "2026-11-23T08:00:00.5+01:00", `"2026-11-23T08:00:00.5+01:00"`},
		{"time", "2026-11-23 08:00:00Z", `"2026-11-23T08:00:00Z"`},
		{"time", "2026/11/23 8:00 UTC", `"2026-11-23T08:00:00Z"`},
		{"time", "23.11.2026 08:00:00 GMT", `"2026-11-23T08:00:00Z"`},
		{"time (UTC)", "2026-11-23 08:00:00", `"2026-11-23T08:00:00Z"`},
		{"time_utc", "1.2.2026 08:00", `"2026-02-01T08:00:00Z"`},
		{"UTC time", "20261123 080000", `"2026-11-23T08:00:00Z"`},
		{"date,time", "2026-11-23,08:00:00Z", `"2026-11-23T08:00:00Z"`},
		{"Date;UTC Time", "23.11.2026;8:00:00,25", `"2026-11-23T08:00:00.25Z"`},
		{"date,time", "2026/11/23,08:00:00+01:00", `"2026-11-23T08:00:00+01:00"`},
		{"date", "2026-11-23T08:00:00Z", `"2026-11-23T08:00:00Z"`},
		{"date,time", "Monday,1795420000", `1795420000`},
		// What may be two dates stays as it is: the hub says what it takes.
		{"time", "11/12/2026 08:00:00Z", `"11/12/2026 08:00:00Z"`},
		{"date,time", "231126,080000", `"231126 080000"`},
		{"time", "yesterday", `"yesterday"`},
		{"time", "2026-11/23 08:00Z", `"2026-11/23 08:00Z"`},
	} {
		t.Run(test.header+" "+test.row, func(t *testing.T) {
			comma := ","
			if strings.Contains(test.header, ";") {
				comma = ";"
			}
			got := csvBodies(t, "lat"+comma+"lon"+comma+test.header+"\n1"+comma+"2"+comma+test.row)
			require.Len(t, got, 1)
			assert.Contains(t, got[0], `"timestamp":`+test.want)
			assert.Equal(t, strings.Contains(test.row, "Monday"), strings.Contains(got[0], `"date":"Monday"`))
		})
	}
}

// Nobody knows when a time without a zone was.
func TestCSVTimeWithoutZone(t *testing.T) {
	r := &recordFile{name: "trip.csv"}
	text := "lat,lon,date,time\n1,2,2026/11/23,08:00:00\n1,2,2026-11-23,08:00Z\n"
	require.NoError(t, r.detect(strings.NewReader(text)))
	rec, err := r.next()
	require.NoError(t, err)
	const want = `timestamp is "2026/11/23 08:00:00", without a zone; name it with --zone, ` +
		`such as --zone UTC or --zone Europe/Berlin`
	assert.Equal(t, want, rec.Refused)
	rec, err = r.next()
	require.NoError(t, err)
	assert.Empty(t, rec.Refused)
}

// TestZone gives times without a zone one. Where clocks are put back, a time that comes twice is the first;
// where they are put forward, one that does not exist counts on from before.
func TestZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	for _, test := range []struct {
		zone      *time.Location
		time, utc string
	}{
		{berlin, "2026-11-23 08:00:00", "2026-11-23T07:00:00Z"},
		{berlin, "23.07.2026 08:00:00.25", "2026-07-23T06:00:00.25Z"},
		{berlin, "2026-10-25 01:59:59", "2026-10-24T23:59:59Z"},
		{berlin, "2026-10-25 02:30:00", "2026-10-25T00:30:00Z"},
		{berlin, "2026-10-25 03:00:00", "2026-10-25T02:00:00Z"},
		{berlin, "2026-10-25 12:00:00", "2026-10-25T11:00:00Z"},
		{berlin, "2026-03-29 01:59:59", "2026-03-29T00:59:59Z"},
		{berlin, "2026-03-29 02:30:00", "2026-03-29T01:30:00Z"},
		{berlin, "2026-03-29 03:00:00", "2026-03-29T01:00:00Z"},
		{berlin, "2026-11-23 08:00:00Z", "2026-11-23T08:00:00Z"},
		{berlin, "2026-11-23 08:00:00+05:00", "2026-11-23T08:00:00+05:00"},
		{time.UTC, "20261123 080000", "2026-11-23T08:00:00Z"},
		{time.FixedZone("", -5400), "2026-11-23 08:00", "2026-11-23T09:30:00Z"},
	} {
		path := write(t, "trip.csv", "lat,lon,time\n1,2,"+test.time+"\n")
		p, err := Options{Zone: test.zone}.Open([]string{path}, nil)
		require.NoError(t, err)
		want := `{"vehicle_id":"trip","lat":1,"lon":2,"timestamp":"` + test.utc + `"}`
		assert.Equal(t, []string{want}, bodies(t, p), test.time)
		piped := strings.NewReader("id,lat,lon,time\na,1,2," + test.time)
		p, err = Options{Zone: test.zone}.Open([]string{"-"}, piped)
		require.NoError(t, err)
		assert.Contains(t, bodies(t, p)[0], test.utc)
	}
	path := write(t, "trip.csv", "lat,lon,time (UTC)\n1,2,2026-11-23 08:00:00\n")
	p, err := Options{Zone: berlin}.Open([]string{path}, nil)
	require.NoError(t, err)
	assert.Contains(t, bodies(t, p)[0], `"2026-11-23T08:00:00Z"`, "its column says UTC")
	p, err = Options{Zone: berlin}.Open([]string{"testdata/devices/traccar.csv"}, nil)
	require.NoError(t, err)
	assert.Contains(t, bodies(t, p)[0], `"timestamp":"2026-05-01T`)
}

// Lines are counted from the start of the file, whatever stands above the header.
func TestCSVLines(t *testing.T) {
	text := "sep=;\nTrip\nid;lat;lon\nA;1;2\n\n\"B\nC\";1;2\nD;1\nE;\"1\"2;2\nF;1;2\n"
	r := &recordFile{name: "trip.csv"}
	require.NoError(t, r.detect(strings.NewReader(text)))
	for _, want := range []struct {
		line    int
		refused string
	}{
		{4, ""}, {6, ""}, {8, "it has 2 fields, the header has 3"}, {9, "not CSV: "}, {10, ""},
	} {
		rec, err := r.next()
		require.NoError(t, err)
		assert.Equal(t, want.line, rec.Line)
		assert.Contains(t, rec.Refused, want.refused)
		assert.Equal(t, want.refused == "", rec.Refused == "")
	}
}
