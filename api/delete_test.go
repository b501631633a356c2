package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// deleteVehicles sends a DELETE for many vehicles to the internal port.
func (h *hub) deleteVehicles(t testing.TB, query string, headers ...string) answer {
	t.Helper()
	return h.do(t, http.MethodDelete, h.internal.URL+"/vehicles"+query, nil, headers...)
}

func TestDeleteVehicles(t *testing.T) {
	h := start(t)
	h.put(t, at("a", 1, 1, `"topics":["x/ü"]`), at("b", 2, 2, `"topics":["x/ü","y"]`), at("c", 3, 3),
		at("d", 4, 4))
	s := h.subscribe(t, "/stream")
	require.Equal(t, "reset new, live snapshot", s.begun(t))
	x := h.subscribe(t, "/topics/x%2F%C3%BC/stream")
	require.Equal(t, "reset new, live snapshot", x.begun(t))

	got := h.deleteVehicles(t, "?topic=x/%C3%BC&topic=vehicle:d&topic=nobody")
	require.Equal(t, []string{"200 OK", "application/json", "no-store", `{"deleted":3}` + "\n"},
		[]string{got.Status, got.Header.Get("Content-Type"), got.Header.Get("Cache-Control"), got.body})
	require.Equal(t, []string{"gone a deleted", "gone b deleted", "gone d deleted"},
		[]string{s.brief(t), s.brief(t), s.brief(t)})
	require.Equal(t, []string{"gone a deleted", "gone b deleted"}, []string{x.brief(t), x.brief(t)})
	require.Equal(t, []string{"c 3,3"}, h.vehicles(t))
	require.Equal(t, `{"deleted":0}`+"\n", h.deleteVehicles(t, "?topic=x/%C3%BC").body)
	require.Equal(t, `{"deleted":1}`+"\n", h.deleteVehicles(t, "?topic=live_updates:all").body)
}

// A wrong request deletes nothing: what narrows a read must not be ignored.
func TestDeleteVehiclesRefused(t *testing.T) {
	h := start(t)
	h.put(t, at("a", 1, 1, `"topics":["x"]`))
	for _, c := range []struct {
		query string
		words []string
	}{
		{"", []string{"needs the parameter topic", "topic=live_updates:all is every vehicle"}},
		{"?topic=", []string{"parameter topic is invalid", "empty"}},
		{"?topic=x*", []string{"parameter topic is invalid", "no wildcards"}},
		{"?topics=x", []string{`"topics"`, "did you mean topic?"}},
		{"?vehicle=a", []string{`"vehicle"`, "did you mean topic?"}},
		{"?topic=x&bbox=5,5,6,6", []string{`parameter bbox is unknown`, "DELETE /vehicles has topic alone"}},
		{"?topic=x&q=a", []string{`parameter q is unknown`, "DELETE /vehicles has topic alone"}},
		{"?topic=x&limit=1&after=b", []string{`parameter after is unknown`}},
		{"?topic=x&%0A=1", []string{`parameter "\n" is unknown`}},
		{"?topic=x;y=1", []string{"cannot parse the query"}},
		{"?" + strings.Repeat("topic=x&", 129), []string{"topic appears 129 times"}},
	} {
		p := refused(t, h.deleteVehicles(t, c.query), http.StatusBadRequest, c.words...)
		require.Less(t, len(p.Detail), 200)
	}
	require.Equal(t, []string{"a 1,1"}, h.vehicles(t))
	got := h.do(t, http.MethodDelete, h.public.URL+"/vehicles?topic=x", nil)
	require.Equal(t, http.StatusMethodNotAllowed, got.StatusCode)
	require.Equal(t, []string{"a 1,1"}, h.vehicles(t))
}

// A publisher deletes its own vehicles alone, and learns of no others.
func TestDeleteVehiclesByRights(t *testing.T) {
	h := start(t, tokens(t), requireAuth)
	own, all := bearer(publisher(t, "me", "TRUCK-*")), bearer(publisher(t, "admin", "*"))
	reader := bearer(signed(t, "reader", time.Hour, "*"))
	got := h.post(t, "application/json", "["+at("TRUCK-1", 1, 1, `"topics":["depot:7"]`)+","+
		at("VAN-1", 2, 2, `"topics":["depot:7"]`)+"]", all...)
	require.Equal(t, 200, got.StatusCode, got.body)
	refused(t, h.deleteVehicles(t, "?topic=depot:7"), http.StatusUnauthorized)
	refused(t, h.deleteVehicles(t, "?topic=depot:7", reader...), http.StatusForbidden, "may publish nothing")
	require.Equal(t, `{"deleted":0}`+"\n", h.deleteVehicles(t, "?topic=vehicle:VAN-1", own...).body)
	require.Equal(t, `{"deleted":1}`+"\n", h.deleteVehicles(t, "?topic=depot:7", own...).body)
	require.Equal(t, `{"deleted":1}`+"\n", h.deleteVehicles(t, "?topic=depot:7", all...).body)
}
