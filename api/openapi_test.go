//go:build !fuzzing

// The validator and its dependencies are large. Fuzzing instruments all packages and leaves them out.

package api_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/stretchr/testify/require"

	root "livemap"
	"livemap/api"
	"livemap/api/transport"
	"livemap/stream"
)

// description is openapi.yaml, which answers are checked against.
type description struct {
	model     *v3.Document
	validator validator.Validator
}

func describe(t testing.TB) *description {
	t.Helper()
	document, err := libopenapi.NewDocument(root.OpenAPI)
	require.NoError(t, err)
	model, err := document.BuildV3Model()
	require.NoError(t, err)
	v, errs := validator.NewValidator(document)
	require.Empty(t, errs)
	return &description{&model.Model, v}
}

// schema checks a JSON text against a schema of the document.
func (d *description) schema(t testing.TB, name, text string) bool {
	t.Helper()
	proxy, found := d.model.Components.Schemas.Get(name)
	require.True(t, found, name)
	ok, _ := schema_validation.NewSchemaValidator().ValidateSchemaString(proxy.Schema(), text)
	return ok
}

// operations returns the operations of the document, such as `GET /stream`. Those with the tag internal
// are included on request.
func (d *description) operations(internal bool) (all []string) {
	for path, item := range d.model.Paths.PathItems.FromOldest() {
		for method, operation := range item.GetOperations().FromOldest() {
			if internal || !slices.Contains(operation.Tags, "internal") {
				all = append(all, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(all)
	return all
}

func TestDocumentIsValid(t *testing.T) {
	ok, errs := describe(t).validator.ValidateDocument()
	for _, err := range errs {
		t.Error(err.Message, err.Reason, err.SchemaValidationErrors)
	}
	require.True(t, ok)
}

// The document has every route of the router, and no other.
func TestDocumentNamesEveryRoute(t *testing.T) {
	h := assemble(t)
	for _, port := range []struct {
		name     string
		handler  http.Handler
		internal bool
	}{
		{"public", h.api.Public(), false},
		{"internal", h.api.Internal(), true},
	} {
		t.Run(port.name, func(t *testing.T) {
			routes := routesOf(t, port.handler.(chi.Routes))
			if !port.internal {
				// It only names the internal port.
				require.Contains(t, routes, "POST /publish")
				routes = slices.DeleteFunc(routes, func(route string) bool {
					return strings.HasSuffix(route, " /publish")
				})
			}
			require.Equal(t, describe(t).operations(port.internal), routes)
		})
	}
}

var profiles = regexp.MustCompile(`^/debug/pprof/[a-z*]+$`)

// routesOf returns the routes of a router in the document's form.
func routesOf(t *testing.T, routes chi.Routes) (all []string) {
	err := chi.Walk(routes, func(method, route string, _ http.Handler,
		_ ...func(http.Handler) http.Handler) error {
		route = strings.ReplaceAll(route, "/*/", "/")
		if strings.HasPrefix(route, "/debug") {
			// Those of package pprof accept any method; the document has GET.
			switch {
			case method != http.MethodGet || route == "/debug/" || route == "/debug/pprof":
				return nil // the latter two redirect
			case route == "/debug/pprof/*":
				all = append(all, "GET /debug/pprof/")
				return nil
			case profiles.MatchString(route):
				route = "/debug/pprof/{profile}"
			}
		}
		if path, found := strings.CutSuffix(route, "/*"); found {
			route = path + "/{path}"
		}
		all = append(all, method+" "+route)
		return nil
	})
	require.NoError(t, err)
	slices.Sort(all)
	return slices.Compact(all)
}

// check validates an answer against the document. path is the document's.
func (d *description) check(t testing.TB, r *http.Request, path string, got answer) {
	t.Helper()
	item, found := d.model.Paths.PathItems.Get(path)
	require.True(t, found, path)
	operation, found := item.GetOperations().Get(strings.ToLower(r.Method))
	require.True(t, found, "%s %s", r.Method, path)
	_, found = operation.Responses.Codes.Get(got.Status[:3])
	require.True(t, found, "%s %s does not tell of %s", r.Method, path, got.Status)

	response := *got.Response
	response.Body = http.NoBody
	if strings.HasPrefix(got.Header.Get("Content-Type"), "application/x-ndjson") {
		for line := range strings.Lines(got.body) {
			require.True(t, d.schema(t, "Ack", line), line)
		}
		return
	}
	if got.body != "" {
		response.Body = readCloser(got.body)
	}
	ok, errs := d.validator.GetResponseBodyValidator().ValidateResponseBodyWithPathItem(r, &response, item, path)
	for _, err := range errs {
		t.Errorf("%s %s: %s: %s %v\n%s", r.Method, r.URL, err.Message, err.Reason, err.SchemaValidationErrors,
			got.body)
	}
	require.True(t, ok)
}

// described is a request and the status of its answer.
type described struct {
	method, path, url string // path as in the document
	body              string
	header            header
	status            int
}

// exercise makes a request to a port and validates the answer against the document.
func (d *description) exercise(t *testing.T, h *hub, port string, c described) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), c.method, port+c.url, strings.NewReader(c.body))
	require.NoError(t, err)
	got := h.do(t, c.method, r.URL.String(), strings.NewReader(c.body), c.header...)
	require.Equal(t, c.status, got.StatusCode, "%s %s: %s", c.method, c.url, got.body)
	d.check(t, r, c.path, got)
}

func TestRefusalsAreAsDescribed(t *testing.T) {
	d := describe(t)
	h := start(t, tokens(t), requireAuth, func(_ *stream.Config, c *api.Config) { c.PublishRate = 0.001 })
	little := header(bearer(signed(t, "me", time.Hour, "depot:8")))
	good := header(bearer(publisher(t, "me", "*")))
	json := header{"Content-Type", "application/json"}
	for path, url := range map[string]string{
		"/stream": "/stream?topic=a", "/topics/{id}/stream": "/topics/a/stream", "/snapshot": "/snapshot?topic=a",
		"/topics/{id}/snapshot": "/topics/a/snapshot",
		"/vehicles":             "/vehicles?topic=a", "/vehicles/{id}": "/vehicles/a",
		"/vehicles/{id}/track": "/vehicles/a/track",
		"/fences/{id}":         "/fences/a", "/fences/{id}/inside": "/fences/a/inside",
	} {
		for _, port := range []string{h.public.URL, h.internal.URL} {
			d.exercise(t, h, port, described{"GET", path, url, "", nil, 401})
			d.exercise(t, h, port, described{"GET", path, url, "", little, 403})
		}
	}
	for _, c := range []described{
		{"GET", "/topics", "/topics", "", nil, 401},
		{"GET", "/topics", "/topics", "", good, 403},
		{"GET", "/topics", "/topics", "", little, 200},
		{"GET", "/session", "/session", "", nil, 401},
		{"GET", "/session", "/session", "", little, 200},
		{"POST", "/session", "/session", "", nil, 401},
		{"POST", "/session", "/session", "", little, 200},
		{"GET", "/metrics", "/metrics", "", nil, 401},
		{"GET", "/metrics", "/metrics", "", little, 200},
		{"GET", "/fences", "/fences", "", nil, 401},
		{"GET", "/fences", "/fences", "", good, 403},
		{"PUT", "/fences/{id}", "/fences/a", fenceOf(""), json, 401},
		{"PUT", "/fences/{id}", "/fences/a", fenceOf(""), append(little, json...), 403},
		{"DELETE", "/fences/{id}", "/fences/a", "", nil, 401},
		{"DELETE", "/fences/{id}", "/fences/a", "", little, 403},
		{"POST", "/publish", "/publish", "", json, 401},
		{"POST", "/publish", "/publish", "", append(little, json...), 403},
		{"POST", "/publish", "/publish", at("a", 1, 2), append(good, json...), 200},
		{"POST", "/publish", "/publish", at("a", 1, 2), append(good, json...), 429},
		{"DELETE", "/vehicles", "/vehicles?topic=a", "", nil, 401},
		{"DELETE", "/vehicles", "/vehicles?topic=a", "", little, 403},
		{"DELETE", "/vehicles/{id}", "/vehicles/a", "", nil, 401},
		{"DELETE", "/vehicles/{id}", "/vehicles/a", "", little, 403},
	} {
		d.exercise(t, h, h.internal.URL, c)
	}
}

func TestAnswersAreAsDescribed(t *testing.T) {
	d := describe(t)
	h := start(t)
	h.put(t, at("a", 1, 2, `"timestamp":900000010`, `"topics":["depot/7"]`, `"heading":360`, `"x":{"y":[1]}`),
		at("b", 3, 4, `"altitude":5`))
	h.put(t, at("a", 1, 3, `"timestamp":900000020`), at("a", 1, 2.5, `"timestamp":900000015`))
	etag := h.get(t, "/topics/depot%2F7/snapshot").Header.Get("ETag")
	json, ndjson, geojson := "application/json", "application/x-ndjson", "application/geo+json"
	exercised := map[string]bool{}
	for _, c := range []described{
		{"POST", "/publish", "/publish", at("c", 1, 2), header{"Content-Type", json}, 200},
		{"POST", "/publish", "/publish", at("c", 1, 2, `"speed":20`), header{"Content-Type", json}, 200},
		{"POST", "/publish", "/publish?dry_run=true", "[]", header{"Content-Type", json}, 200},
		{"POST", "/publish", "/publish", "[" + at("c", 1, 3) + ",{}]", header{"Content-Type", json}, 200},
		{"POST", "/publish", "/publish", at("c", 1, 2) + "\n{", header{"Content-Type", ndjson}, 200},
		{"POST", "/publish", "/publish", at("c", 1, 2) + "\n", header{"Content-Type", ndjson, "Accept", ndjson},
			200},
		{"POST", "/publish", "/publish",
			`{"type":"Feature","id":"d","geometry":{"type":"Point","coordinates":[1,2]},"properties":null}`,
			header{"Content-Type", geojson}, 200},
		{"POST", "/publish", "/publish", "{", header{"Content-Type", json}, 400},
		{"POST", "/publish", "/publish", "[" + strings.Repeat("1,", 10_000) + "1]", header{"Content-Type", json},
			413},
		{"POST", "/publish", "/publish", "", nil, 415},
		{"POST", "/publish", "/publish", "[1,2]", header{"Content-Type", json}, 422},
		{"GET", "/topics/{id}/snapshot", "/topics/depot%2F7/snapshot", "", nil, 200},
		{"GET", "/topics/{id}/snapshot", "/topics/live_updates:all/snapshot?bbox=0,0,9,9", "", nil, 200},
		{"GET", "/topics/{id}/snapshot", "/topics/depot%2F7/snapshot", "", header{"If-None-Match", etag}, 200},
		{"GET", "/topics/{id}/snapshot", "/topics/a/snapshot", "", header{"If-None-Match", "*"}, 304},
		{"GET", "/topics/{id}/snapshot", "/topics/a/snapshot?bbox=1", "", nil, 400},
		{"GET", "/snapshot", "/snapshot", "", nil, 200},
		{"GET", "/snapshot", "/snapshot?topic=depot%2F7&topic=vehicle:b&bbox=0,0,9,9", "", nil, 200},
		{"GET", "/snapshot", "/snapshot", "", header{"If-None-Match", etag}, 200},
		{"GET", "/snapshot", "/snapshot", "", header{"If-None-Match", "*"}, 304},
		{"GET", "/snapshot", "/snapshot?topic=", "", nil, 400},
		{"GET", "/topics/{id}/stream", "/topics/a/stream?ping=x", "", nil, 400},
		{"GET", "/topics/{id}/stream", "/topics/a/stream", "", header{"Accept", "text/html"}, 406},
		{"GET", "/stream", "/stream?ping=x", "", nil, 400},
		{"GET", "/stream", "/stream", "", header{"Accept", "text/html"}, 406},
		{"GET", "/topics", "/topics?limit=1", "", nil, 200},
		{"GET", "/topics", "/topics?q=nothing", "", nil, 200},
		{"GET", "/topics", "/topics", "", header{"If-None-Match", "*"}, 304},
		{"GET", "/topics", "/topics?limit=0", "", nil, 400},
		{"GET", "/vehicles", "/vehicles", "", nil, 200},
		{"GET", "/vehicles", "/vehicles?limit=1&bbox=0,0,9,9&q=a", "", nil, 200},
		{"GET", "/vehicles", "/vehicles", "", header{"If-None-Match", "*"}, 304},
		{"GET", "/vehicles", "/vehicles?near=1,2", "", nil, 200},
		{"GET", "/vehicles", "/vehicles?near=1", "", nil, 400},
		{"GET", "/vehicles/{id}", "/vehicles/a", "", nil, 200},
		{"GET", "/vehicles/{id}", "/vehicles/%0A", "", nil, 400},
		{"GET", "/vehicles/{id}", "/vehicles/nobody", "", nil, 404},
		{"GET", "/vehicles/{id}/track", "/vehicles/a/track", "", nil, 200},
		{"GET", "/vehicles/{id}/track", "/vehicles/a/track?since=20", "", nil, 200},
		{"GET", "/vehicles/{id}/track", "/vehicles/a/track?since=21", "", nil, 200},
		{"GET", "/vehicles/{id}/track", "/vehicles/a/track?from=-1d&to=-1h", "", nil, 200},
		{"GET", "/vehicles/{id}/track", "/vehicles/a/track?since=x", "", nil, 400},
		{"GET", "/vehicles/{id}/track", "/vehicles/nobody/track", "", nil, 404},
		{"DELETE", "/vehicles", "/vehicles?topic=vehicle:c", "", nil, 200},
		{"DELETE", "/vehicles", "/vehicles", "", nil, 400},
		{"DELETE", "/vehicles/{id}", "/vehicles/b", "", nil, 204},
		{"DELETE", "/vehicles/{id}", "/vehicles/b", "", nil, 404},
		{"DELETE", "/vehicles/{id}", "/vehicles/%ff", "", nil, 400},
		{"PUT", "/fences/{id}", "/fences/f", fenceOf(`"name":"F"`), header{"Content-Type", geojson}, 201},
		{"PUT", "/fences/{id}", "/fences/f", fenceOf(""), header{"Content-Type", json, "If-Match", "*"}, 200},
		{"PUT", "/fences/{id}", "/fences/f", fenceOf(""), header{"Content-Type", json, "If-None-Match", "*"}, 412},
		{"PUT", "/fences/{id}", "/fences/f", "{}", header{"Content-Type", json}, 400},
		{"PUT", "/fences/{id}", "/fences/f", strings.Repeat(" ", 1<<20), header{"Content-Type", json}, 413},
		{"PUT", "/fences/{id}", "/fences/f", "{}", nil, 415},
		{"GET", "/fences", "/fences", "", nil, 200},
		{"GET", "/fences", "/fences", "", header{"If-None-Match", "*"}, 304},
		{"GET", "/fences/{id}", "/fences/f", "", nil, 200},
		{"GET", "/fences/{id}", "/fences/f", "", header{"If-None-Match", `"2"`}, 304},
		{"GET", "/fences/{id}", "/fences/g", "", nil, 404},
		{"GET", "/fences/{id}", "/fences/g*", "", nil, 400},
		{"POST", "/publish", "/publish", at("inside", 1, 2), header{"Content-Type", json}, 200},
		{"GET", "/fences/{id}/inside", "/fences/f/inside", "", nil, 200},
		{"GET", "/fences/{id}/inside", "/fences/g/inside", "", nil, 404},
		{"DELETE", "/fences/{id}", "/fences/f", "", header{"If-Match", `"7"`}, 412},
		{"DELETE", "/fences/{id}", "/fences/f", "", nil, 204},
		{"DELETE", "/fences/{id}", "/fences/f", "", nil, 404},
		{"GET", "/session", "/session", "", nil, 200},
		{"POST", "/session", "/session", "", nil, 404},
		{"DELETE", "/session", "/session", "", nil, 204},
		{"GET", "/openapi.yaml", "/openapi.yaml", "", nil, 200},
		{"GET", "/", "/", "", nil, 200},
		{"GET", "/", "/", "", header{"X", strings.Repeat("x", transport.MaxHeader)}, 431},
		{"GET", "/app/{hash}/{path}", "/app/0123456789abcdef/a.js", "", nil, 200},
		{"GET", "/app/{hash}/{path}", "/app/fedcba9876543210/a.js", "", nil, 404},
		{"GET", "/lib/{hash}/{path}", "/lib/0123456789abcdef/b/c", "", nil, 200},
		{"GET", "/lib/{hash}/{path}", "/lib/0123456789abcdef/", "", nil, 404},
		{"GET", "/livemap.js", "/livemap.js", "", nil, 200},
		{"GET", "/livemap.d.ts", "/livemap.d.ts", "", nil, 200},
		{"GET", "/map.pmtiles", "/map.pmtiles", "", nil, 200},
		{"GET", "/map-{number}.pmtiles", "/map-2.pmtiles", "", nil, 200},
		{"GET", "/map-{number}.pmtiles", "/map-3.pmtiles", "", nil, 404},
		{"GET", "/healthz", "/healthz", "", nil, 200},
		{"GET", "/readyz", "/readyz", "", nil, 200},
		{"GET", "/metrics", "/metrics", "", nil, 200},
		{"GET", "/debug/pprof/", "/debug/pprof/", "", nil, 200},
		{"GET", "/debug/pprof/{profile}", "/debug/pprof/cmdline", "", nil, 200},
		{"GET", "/debug/pprof/{profile}", "/debug/pprof/goroutine", "", nil, 200},
		{"GET", "/debug/pprof/{profile}", "/debug/pprof/nothing", "", nil, 404},
		{"GET", "/debug/vars", "/debug/vars", "", nil, 200},
	} {
		d.exercise(t, h, h.internal.URL, c)
		exercised[c.method+" "+c.path] = true
	}
	for _, operation := range d.operations(true) {
		require.Contains(t, exercised, operation)
	}

	h.api.Drain()
	for _, path := range []string{"/readyz", "/publish"} {
		method := map[string]string{"/readyz": "GET", "/publish": "POST"}[path]
		got := h.do(t, method, h.internal.URL+path, nil, "Content-Type", json)
		require.Equal(t, 503, got.StatusCode)
		require.NotEmpty(t, got.Header.Get("Retry-After"))
		d.check(t, got.Request, path, got)
	}
	got := h.do(t, "POST", h.public.URL+"/publish", nil)
	require.Equal(t, 404, got.StatusCode)
	d.check(t, got.Request, "/publish", got)
}

// TestEventsAreAsDescribed validates events against their schemas.
func TestEventsAreAsDescribed(t *testing.T) {
	d := describe(t)
	h := start(t)
	h.put(t, at("a", 1, 2, `"timestamp":900000010`, `"topics":["x"]`, `"heading":360`, `"note":"\r\n\u2028"`))
	for _, id := range []string{"f", "g"} {
		got := h.do(t, "PUT", h.internal.URL+"/fences/"+id, strings.NewReader(fenceOf(`"dwell_s":5`)),
			"Content-Type", "application/json")
		require.Equal(t, 201, got.StatusCode, got.body)
	}
	s := h.subscribe(t, "/stream?topic=x&topic=fence:f&topic=fence:g")
	d.check(t, s.Request, "/stream", answer{s.Response, ""})
	schemas := map[string]string{
		"": "Feature", "late": "Feature", "gone": "Gone", "reset": "Reset", "live": "Live", "bye": "Bye",
		"fence": "FenceEvent",
	}
	for seen := map[string]bool{}; len(seen) < len(schemas); {
		event := s.event(t)
		require.Contains(t, schemas, event.Type)
		require.True(t, d.schema(t, schemas[event.Type], event.Data), "%s: %s", event.Type, event.Data)
		seen[event.Type] = true
		switch event.Type {
		case "live":
			h.put(t, at("a", 1, 3, `"timestamp":900000020`), at("a", 1, 2, `"timestamp":900000015`),
				at("a", 1, 2, `"timestamp":900000022`), at("a", 1, 2, `"timestamp":900000027`),
				at("a", 1, 4, `"timestamp":900000030`, `"topics":[]`))
		case "gone": // all that comes has come
			go h.Drain(t.Context(), 0)
		}
	}
}
