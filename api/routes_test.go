package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	reads = "GET, HEAD, OPTIONS"
)

// TestMethods sends methods that a path does not have to every path.
func TestMethods(t *testing.T) {
	h := start(t)
	for _, c := range []struct{ path, public, internal string }{
		{"/publish", "", "POST, OPTIONS"},
		{"/stream", reads, reads},
		{"/topics/a%2Fb/stream", reads, reads},
		{"/snapshot", reads, reads},
		{"/topics/a/snapshot", reads, reads},
		{"/vehicles", reads, "GET, HEAD, DELETE, OPTIONS"},
		{"/topics", reads, reads},
		{"/vehicles/a%2Fb", reads, "GET, HEAD, DELETE, OPTIONS"},
		{"/vehicles/a/track", reads, reads},
		{"/fences", reads, reads},
		{"/fences/a%2Fb", "GET, HEAD, PUT, DELETE, OPTIONS", "GET, HEAD, PUT, DELETE, OPTIONS"},
		{"/fences/a/inside", reads, reads},
		{"/openapi.yaml", reads, reads},
		{"/", reads, reads},
		{"/app/0/a/b.js", reads, reads},
		{"/lib/0/a.mjs", reads, reads},
		{"/livemap.js", reads, reads},
		{"/livemap.d.ts", reads, reads},
		{"/map.pmtiles", reads, reads},
		{"/map-2.pmtiles", reads, reads},
		{"/healthz", "", reads},
		{"/readyz", "", reads},
		{"/metrics", "", reads},
	} {
		for _, port := range []struct{ name, url, allow string }{{"public", h.public.URL, c.public},
			{"internal", h.internal.URL, c.internal}} {
			t.Run(port.name+c.path, func(t *testing.T) {
				if port.allow == "" {
					for _, method := range []string{"GET", "POST", "PUT", "DELETE", "OPTIONS"} {
						refused(t, h.do(t, method, port.url+c.path, nil), http.StatusNotFound)
					}
					return
				}
				got := h.do(t, "OPTIONS", port.url+c.path, nil)
				require.Equal(t, []any{http.StatusNoContent, port.allow, ""},
					[]any{got.StatusCode, got.Header.Get("Allow"), got.body})
				for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"} {
					if strings.Contains(port.allow, method) {
						continue
					}
					got := h.do(t, method, port.url+c.path, nil)
					p := refused(t, got, http.StatusMethodNotAllowed, method, "it allows "+port.allow)
					require.Equal(t, port.allow, got.Header.Get("Allow"))
					require.Equal(t, method == "PUT" && c.path == "/publish",
						strings.Contains(p.Detail, "curl -T sends PUT: add -X POST"))
				}
			})
		}
	}
}

func TestHead(t *testing.T) {
	h := start(t)
	h.put(t, at("a", 1, 2))
	for _, path := range []string{"/snapshot", "/topics/a/snapshot", "/vehicles/a", "/vehicles/nobody",
		"/vehicles/a/track", "/vehicles", "/topics",
		"/fences", "/fences/a", "/fences/a/inside", "/openapi.yaml", "/", "/healthz", "/readyz", "/metrics"} {
		t.Run(path, func(t *testing.T) {
			get, head := h.get(t, path), h.do(t, "HEAD", h.internal.URL+path, nil)
			require.Equal(t, get.StatusCode, head.StatusCode)
			require.Empty(t, head.body)
			for _, name := range []string{"Content-Type", "Cache-Control", "ETag", "Last-Event-ID", "Vary"} {
				require.Equal(t, get.Header.Get(name), head.Header.Get(name), name)
			}
		})
	}
	for _, path := range []string{"/stream", "/topics/a/stream"} {
		head := h.do(t, "HEAD", h.internal.URL+path, nil)
		require.Equal(t, []any{200, "text/event-stream; charset=utf-8", ""},
			[]any{head.StatusCode, head.Header.Get("Content-Type"), head.body})
		require.Equal(t, 400, h.do(t, "HEAD", h.internal.URL+path+"?interval=1", nil).StatusCode)
	}
	require.Empty(t, h.log.lines("stream opened"))
	require.Equal(t, 405, h.do(t, "HEAD", h.internal.URL+"/publish", nil).StatusCode)
}

func TestNotFound(t *testing.T) {
	h := start(t)
	for _, path := range []string{"/nothing", "/stream/", "/topics/", "/topics/a", "/topics/a/b/stream",
		"/vehicles/a/b",
		"/vehicles/", "/../etc/passwd",
		"/%2e%2e/%2e%2e/etc/passwd", "/topics/../../x", "/publish/", "//stream", "/livemap.js%00", "/%0d%0aX: y",
		"/favicon.ico", "/app", "/app/", "/app/0123456789abcdef", "/lib/x", "/livemap.js/", "/snapshot/"} {
		t.Run(path, func(t *testing.T) {
			for _, url := range []string{h.public.URL, h.internal.URL} {
				got := h.do(t, "GET", url+path, nil)
				if got.StatusCode != 400 || !strings.Contains(got.body, "the id in the path is invalid") {
					refused(t, got, http.StatusNotFound, "/openapi.yaml")
				}
				require.Equal(t, 404, h.do(t, "OPTIONS", url+"/nothing", nil).StatusCode)
			}
		})
	}
	refused(t, h.do(t, "GET", h.public.URL+"/debug/pprof/", nil), http.StatusNotFound)
	for _, method := range []string{"GET", "POST", "PUT", "HEAD"} {
		got := h.do(t, method, h.public.URL+"/publish", nil, "Content-Type", "application/json")
		require.Equal(t, http.StatusNotFound, got.StatusCode)
		if method != "HEAD" {
			refused(t, got, http.StatusNotFound, "internal port", "http://127.0.0.1:9801")
		}
	}
	require.Equal(t, 405, h.do(t, "DELETE", h.public.URL+"/vehicles/a", nil).StatusCode,
		"nobody deletes on the public port")
}

// TestIDsInPaths reads vehicles and topics whose ids need encoding.
func TestIDsInPaths(t *testing.T) {
	h := start(t)
	for i, c := range []struct{ id, encoded string }{
		{"a/b", "a%2Fb"},
		{"a/b", "a%2fb"},
		{"50%", "50%25"},
		{"%2F", "%252F"},
		{"a b", "a%20b"},
		{"a+b", "a+b"},
		{"a+b", "a%2Bb"},
		{"é", "%C3%A9"},
		{"é", "é"},
		{"..", "%2E%2E"},
		{"a?b#c", "a%3Fb%23c"},
		{"*x", "*x"},
		{"{id}", "%7Bid%7D"},
		{"stream", "stream"},
		{"/", "%2F"},
		{"a:b;c,d", "a:b;c,d"},
	} {
		t.Run(c.encoded, func(t *testing.T) {
			h.put(t, at("other", 9, 9), at(c.id, 1, i, `"topics":["`+c.id+`"]`))
			want := h.get(t, "/vehicles/"+c.encoded)
			require.Equal(t, http.StatusOK, want.StatusCode, want.body)
			require.Contains(t, want.body, `"vehicle_id":"`+c.id+`"`)
			require.Contains(t, h.get(t, "/vehicles/"+c.encoded+"/track").body, `"vehicle_id":"`+c.id+`"`)
			for _, topic := range []string{c.encoded, "vehicle:" + c.encoded} {
				got := h.get(t, "/topics/"+topic+"/snapshot")
				require.Equal(t, `{"type":"FeatureCollection","features":[`+strings.TrimSpace(want.body)+"]}\n", got.body)
				s := h.subscribe(t, "/topics/"+topic+"/stream")
				require.Equal(t, []string{"reset new", c.id, "live snapshot"},
					[]string{s.brief(t), s.brief(t), s.brief(t)})
				s.close()
			}
			require.Equal(t, http.StatusNoContent, h.do(t, "DELETE", h.internal.URL+"/vehicles/"+c.encoded,
				nil).StatusCode)
			require.Equal(t, []string{"other 9,9"}, h.vehicles(t))
		})
	}
}

func TestWrongIDsInPaths(t *testing.T) {
	h := start(t)
	for _, c := range []struct{ name, id, word string }{
		{"control character", "a%0Ab", "U+000A"},
		{"NUL", "%00", "U+0000"},
		{"NEL", "%C2%85", "U+0085"},
		{"not UTF-8", "%ff", "UTF-8"},
		{"too long", strings.Repeat("x", 257), "257 bytes"},
		{"empty", "", "empty"},
		{"white space before", "%20a", "begins with white space (U+0020)"},
		{"white space behind", "a%C2%A0", "ends in white space (U+00A0)"},
		{"zero width", "a%E2%80%8Bb", "invisible character (U+200B)"},
		{"right to left", "%E2%80%AEa", "invisible character (U+202E)"},
	} {
		for _, path := range []string{"/topics/ID/stream", "/topics/ID/snapshot", "/vehicles/ID/track",
			"/vehicles/ID"} {
			t.Run(c.name+path, func(t *testing.T) {
				if path == "/vehicles/ID" && c.id == "" {
					return // TestNotFound has it
				}
				refused(t, h.get(t, strings.ReplaceAll(path, "ID", c.id)), http.StatusBadRequest, "the id in the path",
					c.word)
			})
		}
	}
	for _, id := range []string{strings.Repeat("x", 129), "a%20", "%EF%BB%BFa", "a%E2%81%A9"} {
		refused(t, h.do(t, "DELETE", h.internal.URL+"/vehicles/"+id, nil), 400, "the id in the path")
	}
}

// TestTopicsAreNoPatterns checks that a reader who tries a wildcard learns that there is none, and that a
// vehicle whose id looks like one can be read.
func TestTopicsAreNoPatterns(t *testing.T) {
	h := start(t)
	h.put(t, at("T*", 1, 2))
	require.Contains(t, h.get(t, "/vehicles/T*").body, `"id":"T*"`)
	for _, topic := range []string{"*", "vehicle:*", "vehicle:T*", "depot:%2A", "live_updates:*"} {
		for _, path := range []string{"/topics/ID/stream", "/topics/ID/snapshot", "/stream?topic=ID",
			"/snapshot?topic=x&topic=ID"} {
			got := h.get(t, strings.ReplaceAll(path, "ID", topic))
			refused(t, got, 400, "must not end in *; there are no wildcards")
		}
	}
	got := h.post(t, "application/json", at("a", 1, 2, `"topics":["depot:*"]`))
	refused(t, got, 422, `topics holds "depot:*"; a topic must not end in *`)
	require.Equal(t, 200, h.get(t, "/snapshot?topic=a*b").StatusCode)
}
