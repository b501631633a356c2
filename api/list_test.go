package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// vehiclesPage is a page of GET /vehicles as a client reads it: the ids of its vehicles.
func vehiclesPage(t testing.TB, got answer) (ids []string, next string) {
	t.Helper()
	require.Equal(t, []string{"200 OK", "application/geo+json", "no-cache"},
		[]string{got.Status, got.Header.Get("Content-Type"), got.Header.Get("Cache-Control")}, got.body)
	var page struct {
		Type     string
		Features []struct{ ID string }
		Next     *string
	}
	require.NoError(t, json.Unmarshal([]byte(got.body), &page), got.body)
	require.Equal(t, "FeatureCollection", page.Type)
	for _, f := range page.Features {
		ids = append(ids, f.ID)
	}
	if page.Next != nil {
		next = *page.Next
		require.NotEmpty(t, next)
	}
	return ids, next
}

// topicsPage is a page of GET /topics as a client reads it: `id vehicles`.
func topicsPage(t testing.TB, got answer) (topics []string, next string) {
	t.Helper()
	require.Equal(t, []string{"200 OK", "application/json", "no-cache"},
		[]string{got.Status, got.Header.Get("Content-Type"), got.Header.Get("Cache-Control")}, got.body)
	var page struct {
		Topics []struct {
			ID       string
			Vehicles int
		}
		Next string
	}
	require.NoError(t, json.Unmarshal([]byte(got.body), &page), got.body)
	require.NotNil(t, page.Topics, "[], not null")
	for _, topic := range page.Topics {
		topics = append(topics, fmt.Sprint(topic.ID, " ", topic.Vehicles))
	}
	return topics, page.Next
}

func TestListVehicles(t *testing.T) {
	h := start(t)
	h.put(t, at("c", 10, 50, `"driver":"Zoë"`), at("a", 10, 50, `"topics":["x"]`, `"driver":"Max Müller"`),
		at("B", 20, 50, `"topics":["x","y"]`), at("ü/1", 90, 0, `"topics":["y"]`),
		at("gone", 1, 1, `"topics":["x"]`))
	require.Equal(t, 204, h.do(t, "DELETE", h.internal.URL+"/vehicles/gone", nil).StatusCode)
	for _, c := range []struct {
		query string
		ids   []string
		next  string
	}{
		{"", []string{"B", "a", "c", "ü/1"}, ""},
		{"?limit=4", []string{"B", "a", "c", "ü/1"}, ""},
		{"?limit=3", []string{"B", "a", "c"}, "c"},
		{"?limit=2&after=B", []string{"a", "c"}, "c"},
		{"?limit=2&after=c", []string{"ü/1"}, ""},
		{"?after=bb", []string{"c", "ü/1"}, ""}, // an id that nobody has, or has no more
		{"?after=%C3%BC/1", nil, ""},
		{"?after=", []string{"B", "a", "c", "ü/1"}, ""},
		{"?topic=x", []string{"B", "a"}, ""},
		{"?topic=x&limit=1", []string{"B"}, "B"},
		{"?topic=x&after=B", []string{"a"}, ""},
		{"?topic=y&topic=vehicle:c&topic=nobody", []string{"B", "c", "ü/1"}, ""},
		{"?bbox=5,45,15,55", []string{"a", "c"}, ""},
		{"?bbox=5,45,15,55&topic=x", []string{"a"}, ""},
		{"?q=muller", []string{"a"}, ""},
		{"?q=MAX+m%C3%BCl", []string{"a"}, ""},
		{"?q=zoe+max", nil, ""},
		{"?q=U", []string{"a", "ü/1"}, ""},
		{"?q=u&limit=1", []string{"a"}, "a"},
		{"?q=u&limit=1&after=a", []string{"ü/1"}, ""},
		{"?q=&_=1", []string{"B", "a", "c", "ü/1"}, ""},
	} {
		for _, port := range []string{h.public.URL, h.internal.URL} {
			ids, next := vehiclesPage(t, h.do(t, "GET", port+"/vehicles"+c.query, nil))
			require.Equal(t, c.ids, ids, c.query)
			require.Equal(t, c.next, next, c.query)
		}
	}
	got := h.get(t, "/vehicles?topic=x&limit=1").body
	require.Equal(t, `{"type":"FeatureCollection","features":[`+strings.TrimSpace(h.get(t, "/vehicles/B").body)+
		`],"next":"B"}`+"\n", got)
	require.Equal(t, `{"type":"FeatureCollection","features":[]}`+"\n", h.get(t, "/vehicles?topic=nobody").body)
}

// TestVehiclesByState lists vehicles by what they do, by the hub's clock.
func TestVehiclesByState(t *testing.T) {
	h := start(t)
	now := time.Now().Unix()
	fix := func(age int64) string { return fmt.Sprintf(`"timestamp":%d`, now-age) }
	h.put(t, at("drives", 1, 1, `"speed_kmh":3`, fix(0)), at("parks", 1, 1, `"speed_kmh":2.9`, fix(0)),
		at("silent", 1, 1, fix(600), `"name":"Zoë"`), at("silent2", 1, 1, fix(600), `"expect_within_s":400`),
		at("away", 1, 1, fix(3600)), at("away2", 1, 1, fix(600), `"speed_kmh":50`))
	for query, want := range map[string][]string{
		"state=moving":                   {"drives"},
		"state=stopped":                  {"parks", "silent2"},
		"state=stale":                    {"silent"},
		"state=lost":                     {"away", "away2"},
		"state=lost&limit=1&after=away":  {"away2"},
		"state=stale&q=zoe":              {"silent"},
		"state=moving&q=zoe":             nil,
		"state=lost&near=1,1":            {"away", "away2"},
		"state=lost&bbox=5,5,6,6":        nil,
		"state=stopped&topic=vehicle:no": nil,
	} {
		ids, _ := vehiclesPage(t, h.get(t, "/vehicles?"+query))
		require.Equal(t, want, ids, query)
	}
	refused := h.get(t, "/vehicles?state=parked")
	require.Equal(t, 400, refused.StatusCode)
	require.Contains(t, refused.body, "it must be moving, stopped, stale or lost")
}

// TestNearestVehicles lists the nearest first, also over the antimeridian, within the scope of the request.
func TestNearestVehicles(t *testing.T) {
	h := start(t)
	h.put(t, at("home", 10, 50), at("b", 11, 50, `"topics":["x"]`, `"driver":"Max Müller"`),
		at("a", 9, 50, `"topics":["x"]`), at("far", 60, 50, `"topics":["x"]`, `"driver":"Zoë Müller"`),
		at("east", 179.9, 0), at("west", -179.8, 0), at("gone", 10, 50, `"topics":["x"]`))
	require.Equal(t, 204, h.do(t, "DELETE", h.internal.URL+"/vehicles/gone", nil).StatusCode)
	for _, c := range []struct {
		query string
		ids   []string
	}{
		{"near=10,50", []string{"home", "a", "b", "far", "east", "west"}},
		{"near=10,50&limit=1", []string{"home"}},
		{"near=10,50&limit=3", []string{"home", "a", "b"}}, // of equal distances, the first id
		{"near=10.1,50&limit=2", []string{"home", "b"}},
		{"near=-179.95,0&limit=2", []string{"east", "west"}},
		{"near=180.05,0&limit=1", []string{"east"}},
		{"near=10,50&topic=x", []string{"a", "b", "far"}},
		{"near=10,50&q=muller", []string{"b", "far"}},
		{"near=70,50&q=muller&limit=1", []string{"far"}},
		{"near=10,50&bbox=10.5,40,65,60", []string{"b", "far"}},
		{"near=10,50&topic=nobody", nil},
	} {
		for _, port := range []string{h.public.URL, h.internal.URL} {
			ids, next := vehiclesPage(t, h.do(t, "GET", port+"/vehicles?"+c.query, nil))
			require.Equal(t, c.ids, ids, c.query)
			require.Empty(t, next, "there is one page")
		}
	}
	feature := strings.TrimSuffix(strings.TrimSpace(h.get(t, "/vehicles/b").body), "}")
	got := h.get(t, "/vehicles?near=11,50.001&limit=1")
	require.Equal(t, `{"type":"FeatureCollection","features":[`+feature+`,"distance_m":111.3}]}`+"\n", got.body)
	etag := got.Header.Get("ETag")
	require.Equal(t, 304, h.get(t, "/vehicles?near=11,50.001&limit=1", "If-None-Match", etag).StatusCode)
	h.put(t, at("c", 11, 50.001))
	require.Equal(t, 200, h.get(t, "/vehicles?near=11,50.001&limit=1", "If-None-Match", etag).StatusCode)

	many := make([]string, 3000) // more than are examined under one lock
	for n := range many {
		many[n] = at(fmt.Sprintf("v%04d", n), 20+float64((n*7)%len(many))/1e5, 30)
	}
	h.put(t, many...)
	ids, _ := vehiclesPage(t, h.get(t, "/vehicles?near=20,30&limit=1000"))
	require.Len(t, ids, 1000)
	for i, id := range ids {
		var n int
		_, err := fmt.Sscanf(id, "v%d", &n)
		require.NoError(t, err)
		require.Equal(t, i, n*7%len(many))
	}
}

func TestListTopics(t *testing.T) {
	h := start(t)
	require.Equal(t, `{"topics":[]}`+"\n", h.get(t, "/topics").body)
	h.put(t, at("a", 1, 1, `"topics":["depot:Zürich","kind:bus"]`),
		at("b", 1, 1, `"topics":["depot:bern","kind:bus"]`),
		at("c", 1, 1, `"topics":["left"]`), at("d", 1, 1, `"topics":["<\"> & more"]`),
		at("e", 1, 1, `"topics":["left"]`))
	h.put(t, at("c", 1, 2, `"topics":[]`))
	h.do(t, "DELETE", h.internal.URL+"/vehicles/e", nil)
	for _, c := range []struct {
		query  string
		topics []string
		next   string
	}{
		{"", []string{`<"> & more 1`, "depot:Zürich 1", "depot:bern 1", "kind:bus 2"}, ""},
		{"?limit=4", []string{`<"> & more 1`, "depot:Zürich 1", "depot:bern 1", "kind:bus 2"}, ""},
		{"?limit=2", []string{`<"> & more 1`, "depot:Zürich 1"}, "depot:Zürich"},
		{"?limit=2&after=depot:Z%C3%BCrich", []string{"depot:bern 1", "kind:bus 2"}, ""},
		{"?after=kind:bus", nil, ""},
		{"?after=kind:*", []string{"kind:bus 2"}, ""}, // any id
		{"?q=depot+zurich", []string{"depot:Zürich 1"}, ""},
		{"?q=B&limit=1", []string{"depot:bern 1"}, "depot:bern"},
	} {
		for _, port := range []string{h.public.URL, h.internal.URL} {
			topics, next := topicsPage(t, h.do(t, "GET", port+"/topics"+c.query, nil))
			require.Equal(t, c.topics, topics, c.query)
			require.Equal(t, c.next, next, c.query)
		}
	}
}

// What would narrow a list is not ignored: a list of everything would look like the answer.
func TestListsRefuse(t *testing.T) {
	h := start(t)
	for _, c := range []struct {
		query string
		words []string
	}{
		{"limit=0", []string{"parameter limit", `"0"`, "a whole number from 1 to 1000"}},
		{"limit=1001", []string{"parameter limit", "from 1 to 1000"}},
		{"limit=many", []string{"parameter limit", "from 1 to 1000"}},
		{"limit=", []string{"parameter limit", "from 1 to 1000"}},
		{"limit=1&limit=2", []string{"limit appears 2 times"}},
		{"after=%0A", []string{"parameter after", "U+000A", "the next of the page before"}},
		{"after=" + strings.Repeat("x", 257), []string{"parameter after", "257 bytes"}},
		{"q=" + strings.Repeat("x", 257), []string{"q has 257 bytes; it may have 256"}},
		{"q=a&q=b", []string{"q appears 2 times"}},
		{"query=a", []string{`no parameter "query"; did you mean q?`}},
		{"search=a", []string{"did you mean q?"}},
		{"Limit=1", []string{"did you mean limit?"}},
		{"per_page=1", []string{"did you mean limit?"}},
		{"offset=1", []string{"did you mean after?"}},
		{"cursor=1", []string{"did you mean after?"}},
		{"page=2", []string{"did you mean after?"}},
	} {
		for _, path := range []string{"/vehicles?", "/topics?"} {
			refused(t, h.get(t, path+c.query), http.StatusBadRequest, c.words...)
		}
	}
	for query, words := range map[string]string{
		"/vehicles?near=1":           "parameter near is invalid",
		"/vehicles?near=1,91":        "latitude is 91",
		"/vehicles?near=":            "parameter near is invalid",
		"/vehicles?nearby=1,2":       "did you mean near?",
		"/vehicles?near=1,2&after=a": "parameter after does not go with near, which has one page of up to limit",
		"/vehicles?state=":           "it must be moving, stopped, stale or lost",
		"/vehicles?topic=":           "parameter topic is invalid",
		"/vehicles?topic=x*":         "there are no wildcards",
		"/vehicles?topics=x":         "did you mean topic?",
		"/vehicles?bbox=1":           "parameter bbox",
		"/topics?topic=x":            "topic is not supported; GET /topics has q, limit and after",
		"/topics?bbox=1,2,3,4":       "bbox is not supported",
	} {
		refused(t, h.get(t, query), http.StatusBadRequest, words)
	}
}

// A reader learns of nothing that it may not read: neither names nor numbers nor pages.
func TestListsByRights(t *testing.T) {
	h := start(t, tokens(t), requireAuth)
	all := bearer(claimed(t, "admin", time.Hour, map[string]any{
		"publish": []string{"*"}, "topics": []string{"*"}, "read": []string{"*"},
	}))
	got := h.post(t, "application/json", "["+strings.Join([]string{
		at("TRUCK-1", 1, 1, `"topics":["depot:7"]`), at("TRUCK-2", 1, 1, `"topics":["depot:8","secret"]`),
		at("VAN-1", 1, 1, `"topics":["depot:7"]`), at("VAN-2", 1, 1),
		at("ZED", 1, 1, `"topics":["depot:70","secret"]`),
	}, ",")+"]", all...)
	require.Equal(t, 200, got.StatusCode, got.body)
	for _, c := range []struct {
		read             []string
		vehicles, topics []string
	}{
		{[]string{"*"}, []string{"TRUCK-1", "TRUCK-2", "VAN-1", "VAN-2", "ZED"},
			[]string{"depot:7 2", "depot:70 1", "depot:8 1", "secret 2"}},
		{[]string{"live_updates:all"}, []string{"TRUCK-1", "TRUCK-2", "VAN-1", "VAN-2", "ZED"}, nil},
		{[]string{"vehicle:TRUCK-*"}, []string{"TRUCK-1", "TRUCK-2"}, nil},
		{[]string{"vehicle:VAN-2"}, []string{"VAN-2"}, nil},
		{[]string{"depot:7"}, []string{"TRUCK-1", "VAN-1"}, []string{"depot:7 2"}},
		{[]string{"depot:7*", "vehicle:VAN-2"}, []string{"TRUCK-1", "VAN-1", "VAN-2", "ZED"},
			[]string{"depot:7 2", "depot:70 1"}},
		{[]string{"nothing:*"}, nil, nil},
	} {
		who := bearer(signed(t, "me", time.Hour, c.read...))
		for _, port := range []string{h.public.URL, h.internal.URL} {
			get := func(path string) answer { return h.do(t, "GET", port+path, nil, who...) }
			ids, next := vehiclesPage(t, get("/vehicles"))
			require.Equal(t, c.vehicles, ids, c.read)
			require.Empty(t, next)
			if n := len(c.vehicles); n > 0 {
				ids, next = vehiclesPage(t, get(fmt.Sprintf("/vehicles?limit=%d&after=A", n)))
				require.Equal(t, c.vehicles, ids)
				require.Empty(t, next, "there are more, but not for this reader")
			}
			ids, _ = vehiclesPage(t, get("/vehicles?q=TRUCK-2"))
			require.Equal(t, slices.Contains(c.vehicles, "TRUCK-2"), slices.Contains(ids, "TRUCK-2"))
			topics, next := topicsPage(t, get("/topics"))
			require.Equal(t, c.topics, topics, c.read)
			require.Empty(t, next)
		}
	}
	reader, nobody := bearer(signed(t, "me", time.Hour, "depot:7")), bearer(signed(t, "me", time.Hour))
	for _, port := range []string{h.public.URL, h.internal.URL} {
		refused(t, h.do(t, "GET", port+"/vehicles?topic=secret", nil, reader...), 403, `the topic "secret"`)
		ids, _ := vehiclesPage(t, h.do(t, "GET", port+"/vehicles?topic=depot:7", nil, reader...))
		require.Equal(t, []string{"TRUCK-1", "VAN-1"}, ids)
		for _, path := range []string{"/vehicles", "/topics"} {
			refused(t, h.do(t, "GET", port+path, nil), http.StatusUnauthorized)
			refused(t, h.do(t, "GET", port+path, nil, nobody...), http.StatusForbidden, "may read nothing")
		}
	}
}

// A page has an ETag, which changes with what is on it.
func TestListETags(t *testing.T) {
	h := start(t)
	h.put(t, at("a", 1, 1, `"topics":["x"]`), at("b", 1, 1))
	for _, path := range []string{"/vehicles?topic=x&limit=1", "/topics?limit=1"} {
		etag := h.get(t, path).Header.Get("ETag")
		require.Regexp(t, `^W/"[0-9a-z-]+"$`, etag)
		same := func() bool {
			got := h.get(t, path, "If-None-Match", etag)
			require.Contains(t, []int{200, 304}, got.StatusCode)
			require.Equal(t, got.StatusCode == 304, got.body == "")
			return got.StatusCode == 304
		}
		require.True(t, same(), path)
		h.put(t, at("b", 1, 2, fmt.Sprintf(`"n":%q`, path)))
		require.True(t, same(), "another vehicle has moved")
		h.put(t, at("b", 1, 3, `"topics":["x","y"]`))
		require.False(t, same(), "there is a next page now")
		etag = h.get(t, path).Header.Get("ETag")
		h.put(t, at("b", 1, 4, `"topics":[]`))
		require.False(t, same(), "there is none now")
	}
	etag := h.get(t, "/vehicles?topic=x").Header.Get("ETag")
	h.put(t, at("a", 1, 9))
	require.Equal(t, 200, h.get(t, "/vehicles?topic=x", "If-None-Match", etag).StatusCode, "it has moved")
}

// A walk over the pages, as a client makes it, while vehicles come and go: it meets those that stay once.
func TestListWalk(t *testing.T) {
	h := start(t)
	var stay []string
	for n := range 50 {
		stay = append(stay, fmt.Sprintf("v/%02d stays", n))
		h.put(t, at(stay[n], 1, 1, `"topics":["t `+fmt.Sprintf("%02d", n)+`"]`),
			at(fmt.Sprintf("v/%02d goes", n), 1, 1, `"topics":["u `+fmt.Sprintf("%02d", n)+`"]`))
	}
	var met, topics []string
	for next := "-"; next != ""; {
		var ids []string
		ids, next = vehiclesPage(t, h.get(t, "/vehicles?limit=7&after="+url.QueryEscape(next)))
		met = append(met, ids...)
		for _, n := range []int{len(met) / 2, 49 - len(met)/3} {
			h.do(t, "DELETE", h.internal.URL+"/vehicles/"+url.PathEscape(fmt.Sprintf("v/%02d goes", n%50)), nil)
			h.put(t, at(fmt.Sprintf("v/%02d comes", n%50), 1, len(met)%90), at(stay[n%50], 2, len(met)%90))
		}
	}
	met = slices.DeleteFunc(met, func(id string) bool { return !strings.HasSuffix(id, "stays") })
	require.Equal(t, stay, met)
	for next := "-"; next != ""; {
		var page []string
		page, next = topicsPage(t, h.get(t, "/topics?q=t&limit=7&after="+url.QueryEscape(next)))
		topics = append(topics, page...)
	}
	require.Len(t, topics, 50)
	require.True(t, slices.IsSorted(topics))
}
