package api_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestForms publishes valid positions in each form.
func TestForms(t *testing.T) {
	for _, c := range []struct {
		name, contentType, body string
		want                    []string
	}{
		{"one position", "application/json", at("a", 1, 2), []string{"a 1,2"}},
		{"an array", "application/json", "[" + at("a", 1, 2) + "," + at("b", 3, 4) + "]",
			[]string{"a 1,2", "b 3,4"}},
		{"an empty array", "application/json", "[]", nil},
		{"a Feature as JSON", "application/json", featureAt("[1,2,3]"), []string{"x 1,2,3"}},
		{"Features in an array", "application/json", "[" + featureAt("[1,2]") + "," + at("b", 3, 4) + "]",
			[]string{"x 1,2", "b 3,4"}},
		{"a FeatureCollection as JSON", "application/json", `{"type":"FeatureCollection","features":[` +
			featureAt("[1,2]") + "]}", []string{"x 1,2"}},
		{"a Feature", "application/geo+json", featureAt("[1,2]"), []string{"x 1,2"}},
		{"a FeatureCollection", "application/geo+json", `{"features":[` + featureAt("[1,2]") +
			`],"type":"FeatureCollection"}`, []string{"x 1,2"}},
		{"an empty FeatureCollection", "application/geo+json", `{"type":"FeatureCollection","features":[]}`, nil},
		{"lines", "application/x-ndjson", at("a", 1, 2) + "\n" + featureAt("[3,4]") + "\n",
			[]string{"a 1,2", "x 3,4"}},
		{"lines, the last without its end", "application/x-ndjson", at("a", 1, 2) + "\n" + at("b", 3, 4),
			[]string{"a 1,2", "b 3,4"}},
		{"lines that end with CRLF", "application/x-ndjson", at("a", 1, 2) + "\r\n\r\n" + at("b", 3, 4) + "\r\n",
			[]string{"a 1,2", "b 3,4"}},
		{"blank lines", "application/x-ndjson", "\n\n" + at("a", 1, 2) + "\n  \n\t\n", []string{"a 1,2"}},
		{"no lines", "application/x-ndjson", "", nil},
		{"type with parameters", "Application/JSON; charset=utf-8", at("a", 1, 2), []string{"a 1,2"}},
		{"id a number", "application/json", `{"vehicle_id":-17,"lat":1,"lon":2}`, []string{"-17 2,1"}},
		{"id of 128 bytes", "application/json", at(strings.Repeat("é", 64), 1, 2),
			[]string{strings.Repeat("é", 64) + " 1,2"}},
		{"the edges", "application/json", "[" + at("a", -180, -90) + "," + at("b", 180, 90) + "]",
			[]string{"a -180,-90", "b 180,90"}},
		{"nulls in optional members", "application/json",
			at("a", 1, 2, `"timestamp":null`, `"speed_kmh":null`, `"heading":null`, `"altitude":null`,
				`"accuracy":null`, `"topics":null`), []string{"a 1,2"}},
		{"id in the properties before that of the Feature", "application/geo+json",
			`{"type":"Feature","id":"no","geometry":{"type":"Point","coordinates":[1,2]},` +
				`"properties":{"vehicle_id":"yes"}}`, []string{"yes 1,2"}},
		{"timestamp as RFC 3339", "application/json", at("a", 1, 2, `"timestamp":"2026-01-01T01:00:00.5+01:00"`),
			[]string{"a 1,2"}},
		{"timestamp just not ahead", "application/json",
			at("a", 1, 2, fmt.Sprintf(`"timestamp":%d`, time.Now().Unix()+55)), []string{"a 1,2"}},
		{"64 levels as a Feature", "application/json",
			at("a", 1, 2, `"deep":`+strings.Repeat("[", 62)+strings.Repeat("]", 62)), []string{"a 1,2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := start(t)
			got := h.post(t, c.contentType, c.body)
			require.Equal(t, http.StatusOK, got.StatusCode, got.body)
			require.Equal(t, "application/json", got.Header.Get("Content-Type"))
			require.Equal(t, "no-store", got.Header.Get("Cache-Control"))
			a := ackOf(t, got.body)
			require.Equal(t, []any{"OK", len(c.want), 0, 0, 0},
				[]any{a.Status, a.Accepted, a.Rejected, a.Late, a.Duplicate})
			require.Equal(t, h.Head().String(), a.LastEventID)
			require.Equal(t, c.want, h.vehicles(t))
		})
	}
}

func TestFeatureIsWhatWasPublished(t *testing.T) {
	h := start(t)
	h.put(t, at("a", 13.404954, 52.520008, `"altitude":34`, `"speed_kmh":85.50`, `"heading":360`,
		`"timestamp":1795421061123`,
		`"topics":["x"]`, `"extra": {"b": [1, 2], "a": null}`, `"s":"\u2028</\r"`))
	require.Equal(t,
		`{"type":"Feature","id":"a","geometry":{"type":"Point","coordinates":[13.404954,52.520008,34]},`+
			`"properties":{"vehicle_id":"a","speed_kmh":85.50,"heading":0,"extra":{"b":[1,2],"a":null},`+
			`"s":"\u2028</\r","timestamp":1795421061.123}}`+"\n",
		h.get(t, "/vehicles/a").body)
}

func TestAckCounts(t *testing.T) {
	h := start(t)
	h.put(t, at("a", 1, 2, `"timestamp":900000100`))
	body := strings.Join([]string{
		at("a", 1, 2, `"timestamp":900000100`),                   // duplicate
		at("a", 1, 2, `"timestamp":900000100.0`),                 // the same
		at("a", 1, 2, `"timestamp":900000100`, `"topics":["t"]`), // other topics: no duplicate
		at("a", 5, 2, `"timestamp":900000100`),                   // equal timestamps are not late
		at("a", 1, 2, `"timestamp":900000099`),                   // late
		at("b", 1, 2), at("b", 99, 99), "{}",
	}, ",")
	a := ackOf(t, h.post(t, "application/json", "["+body+"]").body)
	require.Equal(t, []any{"PARTIAL", 4, 1, 2, 2}, []any{a.Status, a.Accepted, a.Late, a.Duplicate, a.Rejected})
	require.Equal(t, []int{6, 7}, []int{a.Errors[0].Index, a.Errors[1].Index})
	require.Equal(t, h.Head().String(), a.LastEventID)
	require.Equal(t, []string{"a 5,2", "b 1,2"}, h.vehicles(t))

	a = ackOf(t, h.post(t, "application/json", at("a", 5, 2, `"timestamp":900000100`)).body)
	require.Equal(t, []any{"OK", 0, 1, h.Head().String()},
		[]any{a.Status, a.Accepted, a.Duplicate, a.LastEventID}, "where none is accepted it is the hub's newest")

	got := h.post(t, "application/json", "["+at("a", 5, 2, `"timestamp":900000100`)+",{}]")
	require.Equal(t, http.StatusOK, got.StatusCode, "a duplicate is not refused, so not all were")
}

func TestFirstHundredErrors(t *testing.T) {
	h := start(t)
	p := refused(t, h.post(t, "application/json", "["+strings.Repeat("{},", 149)+"{}]"),
		http.StatusUnprocessableEntity, "the hub rejected all 150 positions")
	require.Len(t, p.Errors, 100)
	require.Equal(t, 99, p.Errors[99].Index)
	a := ackOf(t, h.post(t, "application/x-ndjson", strings.Repeat("{}\n", 150)+at("a", 1, 2)).body)
	require.Equal(t, []any{1, 150, 100, 100}, []any{a.Accepted, a.Rejected, len(a.Errors), a.Errors[99].Index})
}

func TestDryRun(t *testing.T) {
	h := start(t)
	h.put(t, at("a", 1, 2, `"timestamp":900000100`))
	head := h.Head()
	body := "[" + at("a", 1, 2, `"timestamp":900000100`) + "," + at("a", 1, 2, `"timestamp":900000099`) + "," +
		at("b", 1, 2) + ",{}]"
	for _, c := range []struct{ contentType, body string }{
		{"application/json", body},
		{"application/x-ndjson", strings.ReplaceAll(strings.Trim(body, "[]"), "},{", "}\n{")},
	} {
		got := h.do(t, "POST", h.internal.URL+"/publish?dry_run=true", strings.NewReader(c.body), "Content-Type",
			c.contentType)
		require.Equal(t, 200, got.StatusCode, got.body)
		a := ackOf(t, got.body)
		require.Equal(t, []any{"PARTIAL", 2, 1, 1, 1, head.String()},
			[]any{a.Status, a.Accepted, a.Late, a.Duplicate, a.Rejected, a.LastEventID})
	}
	got := h.do(t, "POST", h.internal.URL+"/publish?dry_run=true",
		strings.NewReader(at("x", 1, 2, fmt.Sprintf(`"timestamp":%d`, time.Now().Unix()+90))), "Content-Type",
		"application/json")
	refused(t, got, 422, "ahead")
	require.Equal(t, head, h.Head(), "a dry run published")

	require.Equal(t, 200, h.do(t, "POST", h.internal.URL+"/publish?dry_run=false&unknown=1",
		strings.NewReader(at("b", 1, 2)), "Content-Type", "application/json").StatusCode)
	require.NotEqual(t, head, h.Head())
	for _, query := range []string{"dry_run=1", "dry_run", "dry_run=TRUE", "dry_run=true&dry_run=true",
		"dry_run=%zz", "a;b"} {
		got := h.do(t, "POST", h.internal.URL+"/publish?"+query, strings.NewReader(at("c", 1, 2)), "Content-Type",
			"application/json")
		refused(t, got, 400)
	}
	for _, name := range []string{"dry-run", "dryrun", "dryRun", "DRY_RUN", "dry", "dri_run"} {
		got := h.do(t, "POST", h.internal.URL+"/publish?"+name+"=true", strings.NewReader(at("c", 1, 2)),
			"Content-Type", "application/json")
		refused(t, got, 400, "did you mean dry_run?")
	}
	require.Len(t, h.vehicles(t), 2)
}

// TestSpellings checks that two vehicles whose ids look alike are logged once.
func TestSpellings(t *testing.T) {
	h := start(t)
	const message = "two vehicles have ids that differ only by Unicode normalization"
	h.put(t, at("Zo\u00e9", 1, 2), at("TRUCK-1", 1, 2), at("卡车", 1, 2), at("o\u0308", 1, 2))
	require.Empty(t, h.log.lines(message))
	h.put(t, at("Zo\u00e9", 2, 2), at("Zoe\u0301", 1, 2))
	require.Len(t, h.log.lines(message), 1)
	require.Equal(t, `"Zoe\u0301"`, h.log.lines(message)[0]["new"])
	h.put(t, at("Zoe\u0301", 3, 2), at("Zo\u00e9", 4, 2))
	require.Len(t, h.log.lines(message), 1)
	h.put(t, at("\u00f6", 1, 2))
	require.Len(t, h.log.lines(message), 2, "the composed form came second")
}

// TestHintsInAcks publishes a likely name in each form. The member stays, and the Ack says once what readers
// expect, also over several positions, of a dry run and beside refusals.
func TestHintsInAcks(t *testing.T) {
	h := start(t)
	const hint = `"hints":["speed is kept as it is; speed_kmh is what readers expect"]`
	one, two := at("a", 1, 2, `"speed":20`), at("b", 1, 2, `"speed":20`)
	feature := `{"type":"Feature","id":"f","geometry":{"type":"Point","coordinates":[1,2]},` +
		`"properties":{"speed":5}}`
	for _, c := range []struct{ name, path, media, accept, body string }{
		{"position", "", "application/json", "", one},
		{"array", "", "application/json", "", "[" + one + "," + two + "]"},
		{"Feature", "", "application/geo+json", "", feature},
		{"lines", "", "application/x-ndjson", "", one + "\n" + two + "\n"},
		{"Acks of an upload", "", "application/x-ndjson", "application/x-ndjson", one + "\n" + two + "\n"},
		{"dry run", "?dry_run=true", "application/json", "", one},
		{"beside refusals", "", "application/json", "", "[{}," + one + "]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := h.do(t, "POST", h.internal.URL+"/publish"+c.path, strings.NewReader(c.body),
				"Content-Type", c.media, "Accept", c.accept)
			lines := strings.Split(strings.TrimSpace(got.body), "\n")
			require.Contains(t, lines[len(lines)-1], hint)
			require.Equal(t, 1, strings.Count(lines[len(lines)-1], "speed is kept"))
		})
	}
	require.Contains(t, h.get(t, "/vehicles/a").body, `"speed":20`)
	require.NotContains(t, h.post(t, "application/json", at("c", 1, 2, `"speed_kmh":20`)).body, "hints")
	got := h.post(t, "application/json", one, "Idempotency-Key", "k")
	require.Contains(t, got.body, hint)
	require.Equal(t, got.body, h.post(t, "application/json", one, "Idempotency-Key", "k").body)
}

func TestContentTypes(t *testing.T) {
	h := start(t)
	for _, c := range []struct {
		name   string
		header header
		words  []string
	}{
		{"none", nil, []string{"-H 'Content-Type: application/json'"}},
		{"what curl sends", header{"Content-Type", "application/x-www-form-urlencoded"},
			[]string{"curl sends this type", "-H 'Content-Type: application/json'"}},
		{"text", header{"Content-Type", "text/json"}, []string{`"text/json"`}},
		{"broken", header{"Content-Type", "application/json; ="}, nil},
		{"long", header{"Content-Type", strings.Repeat("x", 1000)}, []string{"…"}},
		{"gzip", header{"Content-Type", "application/json", "Content-Encoding", "gzip"},
			[]string{`Content-Encoding "gzip"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := h.do(t, "POST", h.internal.URL+"/publish", strings.NewReader(at("a", 1, 2)), c.header...)
			p := refused(t, got, http.StatusUnsupportedMediaType, c.words...)
			require.Less(t, len(p.Detail), 400)
			if c.name != "gzip" {
				for _, media := range []string{"application/json", "application/x-ndjson", "application/geo+json"} {
					require.Contains(t, p.Detail, media)
					require.Contains(t, got.Header.Get("Accept"), media)
				}
			}
			if c.name != "none" && c.name != "what curl sends" {
				require.NotContains(t, p.Detail, "curl")
			}
		})
	}
	require.Empty(t, h.vehicles(t))
	require.Equal(t, 200, h.post(t, "application/json", at("a", 1, 2), "Content-Encoding",
		"identity").StatusCode)
}

// zeros is an endless body that counts the bytes read.
type zeros struct{ read atomic.Int64 }

func (z *zeros) Read(p []byte) (int, error) {
	z.read.Add(int64(len(p)))
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestSizes(t *testing.T) {
	h := start(t)
	const limit = 8 << 20
	padded := func(size int) string {
		body := at("a", 1, 2)
		return body + strings.Repeat(" ", size-len(body))
	}
	require.Equal(t, 200, h.post(t, "application/json", padded(limit)).StatusCode)
	refused(t, h.post(t, "application/json", padded(limit+1)), 413, "8388608 bytes")
	refused(t, h.post(t, "application/geo+json", padded(limit+1)), 413, "8388608 bytes")
	t.Run("unknown length", func(t *testing.T) {
		for _, client := range []*http.Client{h.client, h2(t)} {
			body := &zeros{}
			got := ask(t, client, "POST", h.internal.URL+"/publish",
				io.MultiReader(strings.NewReader(at("b", 1, 2)), body), "Content-Type", "application/json")
			refused(t, got, 413, "8388608 bytes")
			require.Less(t, body.read.Load(), int64(64<<20), "the hub reads on")
		}
	})
	t.Run("a length that says so", func(t *testing.T) {
		conn := dial(t, h.internal)
		fmt.Fprintf(conn,
			"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "+
				"1000000000000\r\n\r\n")
		text := make([]byte, 12)
		_, err := io.ReadFull(conn, text)
		require.NoError(t, err)
		require.Equal(t, "HTTP/1.1 413", string(text), "it is answered before any of the body was sent")
	})
	t.Run("items", func(t *testing.T) {
		many := strings.Repeat(at("a", 1, 2)+",", 9_999) + at("last", 1, 2)
		require.Equal(t, 200, h.post(t, "application/json", "["+many+"]").StatusCode)
		refused(t, h.post(t, "application/json", "["+at("c", 1, 2)+","+many+"]"), 413, "10000 items")
		feature := featureAt("[1,2]")
		refused(t, h.post(t, "application/geo+json", `{"type":"FeatureCollection","features":[`+
			strings.Repeat(feature+",", 10_000)+feature+"]}"), 413, "10000 items")
	})
	require.Equal(t, []string{"a 1,2", "last 1,2"}, h.vehicles(t))
}

// The hub publishes nothing of an incomplete document.
func TestBodyThatBreaksOff(t *testing.T) {
	h := start(t)
	conn := dial(t, h.internal)
	fmt.Fprintf(conn,
		"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "+
			"100\r\n\r\n%s", at("a", 1, 2))
	conn.(interface{ CloseWrite() error }).CloseWrite()
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(text), " 400 ")
	require.Contains(t, string(text), "ended early, after")
	require.Empty(t, h.vehicles(t))
}
