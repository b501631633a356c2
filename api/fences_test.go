package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fenceOf returns a circle of 1 km around longitude 1, latitude 2.
func fenceOf(properties string) string {
	if properties != "" {
		properties = "," + properties
	}
	return `{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"radius_m":1000` +
		properties + `}}`
}

// putFence puts a fence on a port.
func (h *hub) putFence(t testing.TB, port, id, fence string, headers ...string) answer {
	t.Helper()
	return h.do(t, http.MethodPut, port+"/fences/"+id, strings.NewReader(fence),
		append([]string{"Content-Type", "application/geo+json"}, headers...)...)
}

func TestFences(t *testing.T) {
	h := start(t)
	in := h.internal.URL
	made := h.putFence(t, in, "yard%2F1", fenceOf(`"name":"Yard"`), "If-None-Match", "*")
	require.Equal(t, []any{201, `"1"`, "application/geo+json", "no-cache"}, []any{made.StatusCode,
		made.Header.Get("ETag"), made.Header.Get("Content-Type"), made.Header.Get("Cache-Control")})
	want := `{"id":"yard/1","type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},` +
		`"properties":{"radius_m":1000,"name":"Yard"}}` + "\n"
	require.Equal(t, want, made.body)
	got := h.get(t, "/fences/yard%2F1")
	require.Equal(t, []any{200, `"1"`, want}, []any{got.StatusCode, got.Header.Get("ETag"), got.body})
	require.Equal(t, 304, h.get(t, "/fences/yard%2F1", "If-None-Match", `"1"`).StatusCode)

	refused(t, h.putFence(t, in, "yard%2F1", fenceOf(""), "If-None-Match", "*"), 412, `"yard/1"`)
	refused(t, h.putFence(t, in, "yard%2F1", fenceOf(""), "If-Match", `"2"`), 412)
	changed := h.putFence(t, in, "yard%2F1", fenceOf(""), "If-Match", `W/"1"`)
	require.Equal(t, []any{200, `"2"`}, []any{changed.StatusCode, changed.Header.Get("ETag")})
	require.Equal(t, `"2"`, h.putFence(t, in, "yard%2F1", fenceOf("")).Header.Get("ETag"), "the same again")
	require.Equal(t, 201, h.putFence(t, in, "b", fenceOf(`"vehicles":["B*"]`)).StatusCode)

	list := h.get(t, "/fences")
	var all struct{ Features []struct{ ID string } }
	require.NoError(t, json.Unmarshal([]byte(list.body), &all), list.body)
	require.Equal(t, "[{b} {yard/1}]", fmt.Sprint(all.Features))
	require.Equal(t, 304, h.get(t, "/fences", "If-None-Match", list.Header.Get("ETag")).StatusCode)

	s := h.subscribe(t, "/topics/fence:yard%2F1/stream")
	require.Equal(t, "reset new, live snapshot", s.begun(t))
	h.put(t, at("A", 1, 2, `"timestamp":900000000.5`))
	require.Equal(t, "A", s.brief(t))
	require.Equal(t, "fence A", s.brief(t))
	inside := h.get(t, "/fences/yard%2F1/inside")
	require.Equal(t, `{"inside":[{"vehicle_id":"A","since":900000000.5,"position":{"type":"Feature","id":"A",`+
		`"geometry":{"type":"Point","coordinates":[1,2]},"properties":{"vehicle_id":"A",`+
		`"timestamp":900000000.5}}}]}`+"\n", inside.body)
	require.Equal(t, `{"inside":[]}`+"\n", h.get(t, "/fences/b/inside").body)

	require.Equal(t, 204, h.do(t, "DELETE", in+"/fences/yard%2F1", nil, "If-Match", `"2"`).StatusCode)
	require.Equal(t, "fence", s.brief(t))
	require.Equal(t, "reset fence, live snapshot", s.begun(t))
	refused(t, h.get(t, "/fences/yard%2F1"), 404, `no fence "yard/1"`)
	refused(t, h.get(t, "/fences/yard%2F1/inside"), 404)
	refused(t, h.do(t, "DELETE", in+"/fences/yard%2F1", nil), 404)
}

func TestFenceRefusals(t *testing.T) {
	h := start(t)
	in := h.internal.URL
	for fence, words := range map[string][]string{
		`{"type":"Feature"`: {"not JSON"},
		`{"type":"Feature","id":"other","geometry":null}`: {"id is", `"f"`},
		`{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,91],[0,0]]]}}`: {
			"geometry.coordinates[0][2]", "latitude is 91"},
		strings.Replace(fenceOf(""), "1000", "0", 1): {"properties.radius_m", "1 to 100000"},
	} {
		refused(t, h.putFence(t, in, "f", fence), 400, words...)
	}
	refused(t, h.putFence(t, in, "f*", fenceOf("")), 400, "must not end in *")
	refused(t, h.putFence(t, in, "f", fenceOf(""), "If-None-Match", `"1"`), 400, "If-None-Match")
	refused(t, h.putFence(t, in, "f", fenceOf(""), "If-Match", `"1", "2"`), 400, "If-Match")
	refused(t, h.putFence(t, in, "f", fenceOf(""), "If-Match", "*", "If-None-Match", "*"), 400, "not both")
	refused(t, h.putFence(t, in, "f", strings.Repeat(" ", 786433)), 413, "786433", "786432")
	refused(t, h.do(t, "PUT", in+"/fences/f", strings.NewReader(fenceOf("")), "Content-Type", "text/plain"), 415)
	refused(t, h.putFence(t, h.public.URL, "f", fenceOf("")), 403, "reading only")
	refused(t, h.do(t, "DELETE", h.public.URL+"/fences/f", nil), 403, "reading only")
	require.Equal(t, 404, h.get(t, "/fences/f").StatusCode)
}

// TestFencesByRights has tokens of several rights, on both ports.
func TestFencesByRights(t *testing.T) {
	h := start(t, tokens(t), requireAuth)
	claim := func(rights string) []string {
		var all map[string]any
		require.NoError(t, json.Unmarshal([]byte(rights), &all))
		return bearer(claimed(t, "me", time.Hour, all))
	}
	writer := claim(`{"read":["vehicle:A*","fence:mine-*"],"fences":["mine-*"]}`)
	other := claim(`{"read":["live_updates:all"],"fences":["theirs"]}`)
	for _, port := range []string{h.public.URL, h.internal.URL} {
		refused(t, h.putFence(t, port, "mine-1", fenceOf("")), 401)
		refused(t, h.putFence(t, port, "yours", fenceOf(""), writer...), 403, `"yours"`)
		refused(t, h.putFence(t, port, "mine-1", fenceOf(""), claim(`{"read":["*"]}`)...), 403, "no fences")
		refused(t, h.do(t, "DELETE", port+"/fences/mine-1", nil, other...), 403)
	}
	require.Equal(t, 201, h.putFence(t, h.public.URL, "mine-1", fenceOf(""), writer...).StatusCode)
	require.Equal(t, 201, h.putFence(t, h.internal.URL, "theirs", fenceOf(""), other...).StatusCode)
	ids := func(rights []string) string {
		got := h.do(t, "GET", h.public.URL+"/fences", nil, rights...)
		var all struct{ Features []struct{ ID string } }
		require.NoError(t, json.Unmarshal([]byte(got.body), &all), got.body)
		return fmt.Sprint(all.Features)
	}
	require.Equal(t, "[{mine-1}]", ids(writer))
	require.Equal(t, "[]", ids(other), "who may read all vehicles may not read all fences")
	require.Equal(t, "[{mine-1} {theirs}]", ids(claim(`{"read":["fence:*"]}`)))
	refused(t, h.do(t, "GET", h.public.URL+"/fences/theirs", nil, writer...), 403, `"fence:theirs"`)
	refused(t, h.do(t, "GET", h.public.URL+"/fences/mine-1/inside", nil, other...), 403, `"fence:mine-1"`)

	before := h.do(t, "GET", h.public.URL+"/fences", nil, writer...).Header.Get("ETag")
	require.Equal(t, 200, h.putFence(t, h.internal.URL, "theirs", fenceOf(`"x":1`), other...).StatusCode)
	require.Equal(t, before, h.do(t, "GET", h.public.URL+"/fences", nil, writer...).Header.Get("ETag"),
		"it says nothing of fences that the reader may not see")

	// Streams tell of what their readers may read, and mine-1 concerns A1 alone.
	mine := follow(t, h.client, h.public.URL+"/stream", writer...)
	all := follow(t, h.client, h.public.URL+"/stream", other...)
	mine.begun(t)
	all.begun(t)
	publish := func(position string) {
		got := h.post(t, "application/json", position, bearer(publisher(t, "p", "*"))...)
		require.Equal(t, 200, got.StatusCode, got.body)
	}
	publish(at("B1", 1, 2))
	publish(at("A1", 1, 2))
	publish(at("A1", 9, 9))
	publish(at("B1", 9, 9))
	for _, want := range []string{"A1", "fence A1", "A1", "fence A1"} {
		require.Equal(t, want, mine.brief(t))
	}
	for _, want := range []string{"B1", "A1", "A1", "B1"} {
		require.Equal(t, want, all.brief(t))
	}
	session := h.do(t, "GET", h.public.URL+"/session", nil, writer...)
	require.Contains(t, session.body, `"fences":["mine-*"]`)
}
