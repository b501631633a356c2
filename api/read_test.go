package api_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"livemap/api"
	"livemap/stream"

	"github.com/stretchr/testify/require"
)

func TestSnapshot(t *testing.T) {
	h := start(t)
	h.put(t, at("a", 10, 50, `"topics":["x"]`), at("b", 20, 50, `"topics":["x"]`), at("c", 10, 50))
	const path = "/topics/x/snapshot?bbox=5,45,15,55"
	got := h.get(t, path)
	require.Equal(t, "application/geo+json", got.Header.Get("Content-Type"))
	require.Equal(t, "no-cache", got.Header.Get("Cache-Control"))
	require.Equal(t, h.Head().String(), got.Header.Get("Last-Event-ID"))
	require.True(t, json.Valid([]byte(got.body)))
	require.Equal(t, 1, strings.Count(got.body, `"type":"Feature",`))
	require.Contains(t, got.body, `"id":"a"`)
	require.Equal(t, `{"type":"FeatureCollection","features":[]}`+"\n", h.get(t, "/topics/nobody/snapshot").body)
	for _, query := range []string{"bbox=1,2", "bbox=1,2,3,4&bbox=1,2,3,4", "bbox=%zz"} {
		refused(t, h.get(t, "/topics/x/snapshot?"+query), 400)
	}

	t.Run("ETag", func(t *testing.T) {
		etag := got.Header.Get("ETag")
		for _, tag := range []string{etag, strings.TrimPrefix(etag, "W/"), `"x", ` + etag, "*"} {
			unchanged := h.get(t, path, "If-None-Match", tag)
			require.Equal(t, []any{304, "", etag, got.Header.Get("Last-Event-ID")},
				[]any{unchanged.StatusCode, unchanged.body, unchanged.Header.Get("ETag"),
					unchanged.Header.Get("Last-Event-ID")}, tag)
		}
		require.Equal(t, 304, h.get(t, path, "If-None-Match", `"x"`, "If-None-Match", etag).StatusCode)
		require.Equal(t, 200, h.get(t, path, "If-None-Match", `"x"`).StatusCode)
	})
	t.Run("a stream goes on from it", func(t *testing.T) {
		h.put(t, at("a", 11, 50), at("c", 11, 50))
		s := h.subscribe(t, "/topics/x/stream?bbox=5,45,15,55", "Last-Event-ID", got.Header.Get("Last-Event-ID"))
		require.Equal(t, []string{"a", "live replay"}, []string{s.brief(t), s.brief(t)})
		require.Equal(t, 200, h.get(t, path, "If-None-Match", got.Header.Get("ETag")).StatusCode)
	})
}

// A snapshot of several topics is the state of the stream of the same query. The stream resumes from it,
// and delivers what happened in between once.
func TestSnapshotOfSeveralTopics(t *testing.T) {
	for _, c := range []struct {
		query        string
		state, after []string // vehicles
	}{
		{"", []string{"a", "b", "c", "far", "far2"}, []string{"c", "a", "far", "new", "far2", "gone b deleted"}},
		{"?bbox=5,45,15,55", []string{"a", "b", "c"}, []string{"c", "a", "new", "gone b deleted"}},
		{"?topic=x", []string{"a", "b"}, []string{"a", "new", "gone b deleted"}},
		{"?topic=x&topic=y", []string{"a", "b", "far", "far2"},
			[]string{"a", "far", "new", "gone far2 left", "gone b deleted"}},
		{"?topic=y&bbox=5,45,15,55", []string{"b"}, []string{"gone b deleted"}},
		{"?topic=live_updates:all&topic=vehicle:far&bbox=5,45,15,55", []string{"a", "b", "c", "far"},
			[]string{"c", "a", "far", "new", "gone b deleted"}},
		{"?topic=vehicle:far&topic=vehicle:nobody", []string{"far"}, []string{"far"}},
	} {
		t.Run(c.query, func(t *testing.T) {
			h := start(t)
			h.put(t, at("a", 10, 50, `"topics":["x"]`), at("b", 10, 50, `"topics":["x","y"]`), at("c", 10, 50),
				at("far", 90, 0, `"topics":["y"]`), at("far2", 90, 0, `"topics":["y"]`))
			got := h.get(t, "/snapshot"+c.query)
			require.Equal(t, http.StatusOK, got.StatusCode, got.body)
			require.Equal(t, c.state, featureIDs(t, got.body))
			require.Equal(t, h.Head().String(), got.Header.Get("Last-Event-ID"))

			h.put(t, at("c", 11, 50), at("a", 11, 50), at("far", 91, 0), at("new", 12, 50, `"topics":["x"]`),
				at("far2", 91, 0, `"topics":[]`))
			require.Equal(t, 204, h.do(t, "DELETE", h.internal.URL+"/vehicles/b", nil).StatusCode)
			s := h.subscribe(t, "/stream"+c.query, "Last-Event-ID", got.Header.Get("Last-Event-ID"))
			var after []string
			for told := s.brief(t); told != "live replay"; told = s.brief(t) {
				after = append(after, told)
			}
			require.Equal(t, c.after, after)
			require.Equal(t, 304, h.get(t, "/snapshot"+c.query, "If-None-Match",
				h.get(t, "/snapshot"+c.query).Header.Get("ETag")).StatusCode)
			require.Equal(t, 200, h.get(t, "/snapshot"+c.query, "If-None-Match", got.Header.Get("ETag")).StatusCode)
		})
	}
	h := start(t)
	h.put(t, at("a", 10, 50, `"topics":["x"]`), at("b", 10, 50, `"topics":["y"]`))
	require.Equal(t, h.get(t, "/topics/x/snapshot?topic=y").body, h.get(t, "/snapshot?topic=x").body)
	require.Equal(t, http.StatusOK, h.get(t, "/snapshot?"+strings.Repeat("topic=x&", 128)).StatusCode)
	refused(t, h.get(t, "/snapshot?"+strings.Repeat("topic=x&", 129)), 400, "topic appears 129 times")
	refused(t, h.get(t, "/snapshot?topic="), 400, "parameter topic")
	refused(t, h.get(t, "/snapshot?bbox=1"), 400, "parameter bbox")
}

// featureIDs returns the vehicles of a FeatureCollection, in order.
func featureIDs(t *testing.T, text string) (ids []string) {
	t.Helper()
	var collection struct{ Features []struct{ ID string } }
	require.NoError(t, json.Unmarshal([]byte(text), &collection), text)
	for _, feature := range collection.Features {
		ids = append(ids, feature.ID)
	}
	return ids
}

func TestCompression(t *testing.T) {
	for _, path := range []string{"/snapshot", "/topics/live_updates:all/snapshot", "/vehicles", "/topics"} {
		t.Run(path, func(t *testing.T) { compression(t, path) })
	}
}

func compression(t *testing.T, path string) {
	h := start(t)
	for n := range 100 {
		h.put(t, at(fmt.Sprint("vehicle-", n), n, 1, fmt.Sprintf(`"topics":["topic-%d"]`, n)))
	}
	plain, packed := h.get(t, path), h.get(t, path, "Accept-Encoding", "gzip")
	require.Empty(t, plain.Header.Get("Content-Encoding"))
	require.Equal(t, "gzip", packed.Header.Get("Content-Encoding"))
	require.Equal(t, "Accept-Encoding", packed.Header.Get("Vary"))
	require.Equal(t, plain.Header.Get("ETag"), packed.Header.Get("ETag"))
	require.Less(t, len(packed.body), len(plain.body)/3)
	unpacked, err := gzip.NewReader(strings.NewReader(packed.body))
	require.NoError(t, err)
	text, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	require.Equal(t, plain.body, string(text))

	s := h.subscribe(t, "/stream", "Accept-Encoding", "gzip")
	require.Empty(t, s.Header.Get("Content-Encoding"), "a stream is never compressed")
}

func TestTrack(t *testing.T) {
	h := start(t)
	refused(t, h.get(t, "/vehicles/a/track"), http.StatusNotFound, `"a"`)
	track := func(query string) string {
		got := h.get(t, "/vehicles/a/track"+query)
		require.Equal(t, []string{"200 OK", "application/geo+json", "no-cache"},
			[]string{got.Status, got.Header.Get("Content-Type"), got.Header.Get("Cache-Control")})
		return strings.TrimSuffix(got.body, "\n")
	}
	feature := func(geometry, times string) string {
		return `{"type":"Feature","id":"a","geometry":` + geometry +
			`,"properties":{"vehicle_id":"a","timestamps":[` + times + `]}}`
	}
	h.put(t, at("a", 1, 1, `"timestamp":900001000`))
	require.Equal(t, feature(`{"type":"Point","coordinates":[1,1]}`, "900001000"), track(""))
	h.put(t, at("a", 3, 3, `"timestamp":900003000.5`, `"altitude":7`), at("b", 9, 9),
		at("a", 2, 2, `"timestamp":900002000`))
	require.Equal(t, feature(`{"type":"LineString","coordinates":[[1,1],[2,2],[3,3,7]]}`,
		"900001000,900002000,900003000.5"), track(""))
	require.Equal(t, feature(`{"type":"LineString","coordinates":[[2,2],[3,3,7]]}`, "900002000,900003000.5"),
		track("?since=900002000"))
	require.Equal(t, feature(`{"type":"Point","coordinates":[3,3,7]}`, "900003000.5"),
		track("?since=1998-07-09T16:33:21Z"))
	require.Equal(t, feature(`null`, ""), track("?since=900004000"))
	require.Equal(t, feature(`{"type":"LineString","coordinates":[[2,2],[3,3,7]]}`, "900002000,900003000.5"),
		track("?from=900002000"))
	require.Equal(t, feature(`{"type":"LineString","coordinates":[[1,1],[2,2]]}`, "900001000,900002000"),
		track("?to=900002000"))
	require.Equal(t, feature(`{"type":"Point","coordinates":[2,2]}`, "900002000"),
		track("?from=900001000.1&to=1998-07-09T16:33:20Z"))
	for _, name := range []string{"from", "to", "since"} {
		for _, time := range []string{"", "x", "-1", "-", "-m", "-1x", "--1m", "1m", "-1d1h", "-40000d",
			"-99999999999999d", "2026-01-01", "1&" + name + "=1", "2026-01-01T00:00:00+01:00"} {
			refused(t, h.get(t, "/vehicles/a/track?"+name+"="+time), http.StatusBadRequest, "parameter "+name)
		}
	}
	refused(t, h.get(t, "/vehicles/a/track?from=1&since=1"), http.StatusBadRequest,
		"parameter since is another name of from; give one of them")
	refused(t, h.get(t, "/vehicles/a/track?from=2&to=1"), http.StatusBadRequest, "parameter to is before from")
	for _, name := range []string{"format", "simplify"} {
		refused(t, h.get(t, "/vehicles/a/track?"+name+"=x"), http.StatusBadRequest,
			"parameter "+name+" is not supported; a track has from, to and since")
	}
	require.Equal(t, 204, h.do(t, "DELETE", h.internal.URL+"/vehicles/a", nil).StatusCode)
	refused(t, h.get(t, "/vehicles/a/track"), http.StatusNotFound)
}

// TestTrackOfRelativeTimes reads times relative to now.
func TestTrackOfRelativeTimes(t *testing.T) {
	now := time.Unix(900_100_000, 0)
	h := start(t, func(_ *stream.Config, c *api.Config) { c.Clock = func() time.Time { return now } })
	for _, ago := range []int64{0, 60, 3600, 86400} {
		h.put(t, at("a", 1, 1, fmt.Sprint(`"timestamp":`, now.Unix()-ago)))
	}
	for query, times := range map[string]string{
		"from=-1m":                "900099940,900100000",
		"from=-59s":               "900100000",
		"from=-1h":                "900096400,900099940,900100000",
		"since=-1d":               "900013600,900096400,900099940,900100000",
		"from=-36500d":            "900013600,900096400,900099940,900100000",
		"from=-1d&to=-1h":         "900013600,900096400",
		"from=-1h0m1s&to=-1000ms": "900096400,900099940",
	} {
		got := h.get(t, "/vehicles/a/track?"+query)
		require.Equal(t, 200, got.StatusCode, got.body)
		require.Contains(t, got.body, `"timestamps":[`+times+`]`, query)
	}
}

// TestPastIsNotIgnored rejects the parameters of the past where there is none.
func TestPastIsNotIgnored(t *testing.T) {
	h := start(t)
	for path, names := range map[string]string{
		"/stream": "from to speed skip", "/topics/a/stream": "from to speed skip",
		"/snapshot": "at", "/topics/a/snapshot": "at",
	} {
		for name := range strings.FieldsSeq(names) {
			refused(t, h.get(t, path+"?"+name+"=-1h"), http.StatusBadRequest,
				"parameter "+name+" is not supported; ", "of the present")
		}
	}
}

func TestDocumentsAndPage(t *testing.T) {
	h := start(t)
	for _, port := range []string{h.public.URL, h.internal.URL} {
		got := h.do(t, "GET", port+"/openapi.yaml", nil)
		require.Equal(t, "application/yaml", got.Header.Get("Content-Type"))
		require.True(t, strings.HasPrefix(got.body, "openapi: 3.1.0\n"))
		for _, path := range []string{"/", "/app/0123456789abcdef/a.js", "/livemap.js", "/map.pmtiles"} {
			require.Contains(t, h.do(t, "GET", port+path, nil, "Accept-Encoding", "gzip").body, "<title>Map</title>",
				"not compressed once more")
		}
		refused(t, h.do(t, "GET", port+"/app/fedcba9876543210/a.js", nil), http.StatusNotFound,
			"/app/fedcba9876543210/a.js", "reload a page")
	}
}

// A draining hub rejects publishes and says when to retry.
func TestDraining(t *testing.T) {
	h := start(t)
	h.put(t, at("a", 1, 2))
	require.Equal(t, "ready\n", h.get(t, "/readyz").body)
	h.api.Drain()
	for _, got := range []answer{h.get(t, "/readyz"), h.post(t, "application/json", at("b", 1, 2)),
		h.post(t, "application/x-ndjson", at("b", 1, 2))} {
		refused(t, got, http.StatusServiceUnavailable, "the hub is shutting down")
		require.Equal(t, "2", got.Header.Get("Retry-After"))
	}
	require.Equal(t, "ok\n", h.get(t, "/healthz").body)
	require.Equal(t, []string{"a 1,2"}, h.vehicles(t), "reads go on")
	require.Equal(t, map[string]float64{"ok": 1, "unavailable": 2},
		h.metric(t, "livemap_publishes_total", "result"))
}
