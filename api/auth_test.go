package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"livemap/api"
	"livemap/api/token"
	"livemap/stream"
)

const secret = "a secret that is long enough for HS256"

// tokens requires tokens that are signed with secret.
func tokens(t testing.TB) configure {
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte(secret), 0o600))
	keys, err := token.KeyFile(path, token.TextSecret)
	require.NoError(t, err)
	return func(_ *stream.Config, c *api.Config) {
		c.Anonymous, c.Tokens, c.CookieSameSite = false, token.NewVerifier(keys, token.Rules{}),
			http.SameSiteStrictMode
	}
}

// signed returns a token to read that expires after ends.
func signed(t testing.TB, subject string, ends time.Duration, read ...string) string {
	t.Helper()
	return claimed(t, subject, ends, map[string]any{"read": read})
}

// claimed returns a token with these rights.
func claimed(t testing.TB, subject string, ends time.Duration, rights map[string]any) string {
	t.Helper()
	raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": subject, "exp": time.Now().Add(ends).Unix(), "livemap": rights,
	}).SignedString([]byte(secret))
	require.NoError(t, err)
	return raw
}

// shortLife is how long a token lasts that a stream begins with. It is enough on a busy machine, too.
const shortLife = 8 * time.Second

func bearer(raw string) []string { return []string{"Authorization", "Bearer " + raw} }

// readPaths are requests that require the right to read vehicle a.
var readPaths = []string{"/stream", "/topics/vehicle:a/stream", "/snapshot", "/topics/vehicle:a/snapshot",
	"/vehicles/a", "/vehicles/a/track"}

func TestReadersNeedAToken(t *testing.T) {
	h := start(t, tokens(t))
	h.put(t, at("a", 1, 2))
	good := signed(t, "me", time.Hour, "*")
	for _, path := range readPaths {
		url := h.public.URL + path
		for _, query := range []string{"", "?token=" + good, "?access_token=" + good, "?jwt=" + good} {
			got := ask(t, h.client, "GET", url+query, nil)
			refused(t, got, http.StatusUnauthorized, "a token is needed", "ignores a token in the URL")
			require.Equal(t, `Bearer realm="livemap"`, got.Header.Get("WWW-Authenticate"))
		}
		for raw, want := range map[string]string{
			"nonsense":                           "it is not a JSON Web Token",
			signed(t, "me", -2*time.Minute, "*"): "it expired at ",
			good + "x":                           "not signed with a key",
		} {
			got := ask(t, h.client, "GET", url, nil, bearer(raw)...)
			refused(t, got, http.StatusUnauthorized, "the hub rejects this token: ", want)
			require.Contains(t, got.Header.Get("WWW-Authenticate"),
				`Bearer realm="livemap", error="invalid_token", error_description="`)
			require.Contains(t, got.Header.Get("WWW-Authenticate"), want)
		}
		for _, header := range []string{"Basic bWU6c2VjcmV0", "Bearer", "Bearer ", good} {
			refused(t, ask(t, h.client, "GET", url, nil, "Authorization", header), http.StatusUnauthorized,
				"one header Authorization, with Bearer and a token")
		}
		refused(t, ask(t, h.client, "GET", url, nil, append(bearer(good), bearer(good)...)...),
			http.StatusUnauthorized, "one header Authorization")
		require.Equal(t, http.StatusOK, ask(t, h.client, "HEAD", url, nil, bearer(good)...).StatusCode)
		require.Equal(t, http.StatusOK, ask(t, h.client, "HEAD", url, nil, "Authorization", "bearer "+
			good).StatusCode)
		require.Equal(t, http.StatusOK, ask(t, h.client, "HEAD", h.internal.URL+path, nil).StatusCode,
			"the internal port asks for none")
	}
	for _, path := range []string{"/", "/openapi.yaml"} {
		require.Equal(t, http.StatusOK, ask(t, h.client, "GET", h.public.URL+path, nil).StatusCode)
	}
	require.NotContains(t, h.log.text(), good[:20])
	require.NotContains(t, h.log.text(), strings.Split(good, ".")[1])
}

// A token for some topics allows no others, in whatever form the reader asks.
func TestReadGrants(t *testing.T) {
	h := start(t, tokens(t))
	h.put(t, at("TRUCK-1", 1, 2), at("TRUCK-2", 1, 2, `"topics":["depot:7"]`),
		at("VAN-1", 1, 2, `"topics":["depot:8"]`), at("BUS-1", 50, 50), at("BUS-2", 50, 50))
	trucks := bearer(signed(t, "trucks", time.Hour, "vehicle:TRUCK-*", "depot:8"))
	for path, topic := range map[string]string{
		"/topics/live_updates:all/stream":             "live_updates:all",
		"/topics/vehicle:VAN-1/stream":                "vehicle:VAN-1",
		"/stream?topic=vehicle:TRUCK-1&topic=depot:7": "depot:7",
		"/snapshot?topic=live_updates:all":            "live_updates:all",
		"/topics/depot:7/snapshot":                    "depot:7",
		"/vehicles/VAN-1":                             "vehicle:VAN-1",
		"/vehicles/VAN-1/track":                       "vehicle:VAN-1",
		"/vehicles/nobody":                            "vehicle:nobody",
		"/topics/vehicle:TRUCK/stream":                "vehicle:TRUCK",
		"/topics/depot:8%0A/stream":                   "",
	} {
		got := ask(t, h.client, "GET", h.public.URL+path, nil, trucks...)
		if topic == "" {
			refused(t, got, http.StatusBadRequest)
			continue
		}
		refused(t, got, http.StatusForbidden, `this token may not read the topic "`+topic+`"`)
	}
	for path, want := range map[string]string{
		"/snapshot":                                     "TRUCK-1 TRUCK-2 VAN-1",
		"/snapshot?bbox=40,40,60,60":                    "",
		"/topics/depot:8/snapshot":                      "VAN-1",
		"/snapshot?topic=vehicle:TRUCK-1":               "TRUCK-1",
		"/snapshot?topic=vehicle:TRUCK-2&topic=depot:8": "TRUCK-2 VAN-1",
	} {
		require.Equal(t, want, strings.Join(featureIDs(t,
			ask(t, h.client, "GET", h.public.URL+path, nil, trucks...).body), " "), path)
	}
	require.Equal(t, http.StatusOK, ask(t, h.client, "GET", h.public.URL+"/vehicles/TRUCK-1", nil,
		trucks...).StatusCode)

	s := follow(t, h.client, h.public.URL+"/stream", trucks...)
	require.Equal(t, "reset new", s.brief(t))
	for _, want := range []string{"TRUCK-1", "TRUCK-2", "VAN-1", "live snapshot"} {
		require.Equal(t, want, s.brief(t))
	}
	h.put(t, at("BUS-1", 1, 3), at("TRUCK-3", 1, 2))
	require.Equal(t, "TRUCK-3", s.brief(t), "also of vehicles that are new, and no others")
	s.close()
	require.Equal(t, "vehicle:TRUCK-* depot:8", h.closed(t, 1)["topics"],
		"the log tells what was read, not live_updates:all")

	exact := follow(t, h.client, h.public.URL+"/stream",
		bearer(signed(t, "one", time.Hour, "vehicle:BUS-1", "depot:8"))...)
	for _, want := range []string{"reset new", "VAN-1", "BUS-1", "live snapshot"} {
		require.Equal(t, want, exact.brief(t))
	}
	boxed := ask(t, h.client, "GET", h.public.URL+"/snapshot?bbox=0,0,9,9", nil,
		bearer(signed(t, "one", time.Hour, "vehicle:BUS-2", "depot:8"))...)
	require.Equal(t, []string{"VAN-1"}, featureIDs(t, boxed.body), "a box holds for all that may be read")
	all := ask(t, h.client, "GET", h.public.URL+"/vehicles/VAN-1", nil,
		bearer(signed(t, "all", time.Hour, "live_updates:all"))...)
	require.Equal(t, http.StatusOK, all.StatusCode)
	refused(t, ask(t, h.client, "GET", h.public.URL+"/stream", nil, bearer(signed(t, "nobody", time.Hour))...),
		http.StatusForbidden, "may read nothing")
}

// A cached snapshot of one reader does not match another's.
func TestSnapshotTagsOfReadersDiffer(t *testing.T) {
	h := start(t, tokens(t))
	h.put(t, at("a", 1, 2), at("b", 1, 2))
	one, other := bearer(signed(t, "1", time.Hour, "vehicle:a")), bearer(signed(t, "2", time.Hour, "vehicle:b"))
	first := ask(t, h.client, "GET", h.public.URL+"/snapshot", nil, one...)
	require.Contains(t, strings.Join(first.Header.Values("Vary"), ","), "Authorization, Cookie")
	tag := []string{"If-None-Match", first.Header.Get("ETag")}
	require.Equal(t, http.StatusNotModified, ask(t, h.client, "GET", h.public.URL+"/snapshot", nil,
		append(tag, one...)...).StatusCode)
	require.Equal(t, http.StatusOK, ask(t, h.client, "GET", h.public.URL+"/snapshot", nil,
		append(tag, other...)...).StatusCode)
}

func TestSession(t *testing.T) {
	h := start(t, tokens(t))
	h.put(t, at("a", 1, 2))
	url := h.public.URL + "/session"
	refused(t, ask(t, h.client, "GET", url, nil), http.StatusUnauthorized, "a token is needed")
	refused(t, ask(t, h.client, "POST", url, nil), http.StatusUnauthorized, "Authorization: Bearer")
	refused(t, ask(t, h.client, "POST", url, nil, bearer("x")...), http.StatusUnauthorized,
		"not a JSON Web Token")
	made := signed(t, "me", time.Hour, "*")
	refused(t, ask(t, h.client, "POST", url+"?token="+made+"&access_token="+made, nil, "Cookie",
		"__Host-livemap="+made), http.StatusUnauthorized, "a token is needed in Authorization: Bearer")

	before := time.Now()
	raw := signed(t, "me", time.Hour, "vehicle:*")
	after := time.Now()
	opened := ask(t, h.client, "POST", url, nil, bearer(raw)...)
	require.Equal(t, http.StatusOK, opened.StatusCode)
	require.Len(t, opened.Cookies(), 1)
	cookie := opened.Cookies()[0]
	require.Equal(t, "__Host-livemap", cookie.Name)
	require.Equal(t, raw, cookie.Value)
	require.Equal(t, "/", cookie.Path)
	require.Empty(t, cookie.Domain)
	require.True(t, cookie.HttpOnly)
	require.True(t, cookie.Secure)
	require.Equal(t, http.SameSiteStrictMode, cookie.SameSite)
	require.GreaterOrEqual(t, cookie.MaxAge, int((time.Hour-time.Since(before)).Seconds())-1)
	require.LessOrEqual(t, cookie.MaxAge, 3600, "no longer than the token")
	late := ask(t, h.client, "POST", url, nil, bearer(signed(t, "me", -30*time.Second, "*"))...)
	require.Equal(t, 1, late.Cookies()[0].MaxAge, "nor where the clocks may differ")

	with := func(raw string) []string { return []string{"Cookie", "__Host-livemap=" + raw} }
	for _, header := range [][]string{with(raw), bearer(raw)} {
		var told map[string]any
		got := ask(t, h.client, "GET", url, nil, header...)
		require.Equal(t, "no-store", got.Header.Get("Cache-Control"))
		require.NoError(t, json.Unmarshal([]byte(got.body), &told), got.body)
		require.Equal(t, "me", told["subject"])
		require.Equal(t, []any{"vehicle:*"}, told["read"])
		require.GreaterOrEqual(t, told["expires"], float64(before.Add(time.Hour).Unix()))
		require.LessOrEqual(t, told["expires"], float64(after.Add(time.Hour).Unix()))
		require.NotContains(t, got.body, raw)
	}
	refused(t, ask(t, h.client, "GET", url, nil, with(signed(t, "me", -time.Hour, "*"))...),
		http.StatusUnauthorized, "it expired at")

	follow(t, h.client, h.public.URL+"/stream", with(raw)...).begun(t)
	got := ask(t, h.client, "GET", h.public.URL+"/topics/vehicle:a/snapshot", nil,
		append(bearer(signed(t, "other", time.Hour, "depot:1")), with(raw)...)...)
	refused(t, got, http.StatusForbidden, "vehicle:a") // the header wins
	got = ask(t, h.client, "GET", h.public.URL+"/snapshot", nil, append(bearer("x"), with(raw)...)...)
	refused(t, got, http.StatusUnauthorized, "not a JSON Web Token")

	large := claimed(t, strings.Repeat("x", 4000), time.Hour, map[string]any{})
	refused(t, ask(t, h.client, "POST", url, nil, bearer(large)...), http.StatusBadRequest,
		"browsers keep at most 4096")

	closed := ask(t, h.client, "DELETE", url, nil)
	require.Equal(t, http.StatusNoContent, closed.StatusCode)
	require.Negative(t, closed.Cookies()[0].MaxAge)
	require.Empty(t, closed.Cookies()[0].Value)
}

func TestSessionOfAnonymous(t *testing.T) {
	h := start(t)
	require.JSONEq(t, `{"anonymous":true}`, ask(t, h.client, "GET", h.public.URL+"/session", nil).body)
	require.JSONEq(t, `{"anonymous":true}`, ask(t, h.client, "GET", h.public.URL+"/session", nil,
		bearer("x")...).body)
	refused(t, ask(t, h.client, "POST", h.public.URL+"/session", nil, bearer("x")...), http.StatusNotFound,
		"it needs no sign-in")
}

// The hub accepts a cookie from its own pages and from listed origins.
func TestCookiesOfOtherPages(t *testing.T) {
	h := start(t, tokens(t), func(_ *stream.Config, c *api.Config) {
		c.Origins = []string{"https://fleet.example"}
	})
	own := h.public.URL
	cookie := []string{"Cookie", "__Host-livemap=" + signed(t, "me", time.Hour, "*")}
	for _, test := range []struct {
		name   string
		header []string
		taken  bool
	}{
		{"no browser", nil, true},
		{"its own page", []string{"Sec-Fetch-Site", "same-origin"}, true},
		{"its own page, with its origin", []string{"Sec-Fetch-Site", "same-origin", "Origin", own}, true},
		{"the address bar", []string{"Sec-Fetch-Site", "none"}, true},
		{"an old browser", []string{"Origin", own}, true},
		{"a listed page", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://fleet.example"}, true},
		{"another page", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, false},
		{"another page without origin", []string{"Sec-Fetch-Site", "cross-site"}, false},
		{"a page of the same site", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://fleet.example:8443"},
			false},
		{"another page in an old browser", []string{"Origin", "https://evil.example"}, false},
		{"a page without origin", []string{"Origin", "null"}, false},
		{"like a listed one", []string{"Origin", "https://fleet.example.evil.example"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ask(t, h.client, "HEAD", own+"/stream", nil, append(test.header, cookie...)...)
			require.Equal(t, map[bool]int{true: http.StatusOK, false: http.StatusUnauthorized}[test.taken],
				got.StatusCode)
		})
	}
	for _, path := range readPaths {
		refused(t, ask(t, h.client, "GET", own+path, nil, append(cookie, "Sec-Fetch-Site", "cross-site")...),
			http.StatusUnauthorized, "its cookie works only on pages of this hub")
	}
	for origin, want := range map[string]int{"https://hub.example": http.StatusOK,
		"http://hub.example": http.StatusUnauthorized} {
		got := ask(t, h.client, "HEAD", own+"/stream", nil,
			append([]string{"Host", "hub.example", "Origin", origin}, cookie...)...)
		require.Equal(t, want, got.StatusCode, "whoever is between may have written a page at %s", origin)
	}
}

func TestCrossOrigin(t *testing.T) {
	h := start(t, tokens(t), func(_ *stream.Config, c *api.Config) {
		c.Origins = []string{"https://fleet.example"}
	})
	for _, origin := range []string{"https://evil.example", "null", "https://fleet.example.evil.example",
		"http://fleet.example"} {
		got := ask(t, h.client, "HEAD", h.public.URL+"/stream", nil,
			append(bearer(signed(t, "me", time.Hour, "*")), "Origin", origin)...)
		require.Empty(t, got.Header.Get("Access-Control-Allow-Origin"), origin)
		got = ask(t, h.client, "OPTIONS", h.public.URL+"/stream", nil, "Origin", origin,
			"Access-Control-Request-Method", "GET")
		require.Empty(t, got.Header.Get("Access-Control-Allow-Origin"), origin)
	}
	listed := []string{"Origin", "https://fleet.example"}
	got := ask(t, h.client, "HEAD", h.public.URL+"/stream", nil,
		append(bearer(signed(t, "me", time.Hour, "*")), listed...)...)
	require.Equal(t, http.StatusOK, got.StatusCode)
	require.Equal(t, "https://fleet.example", got.Header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "true", got.Header.Get("Access-Control-Allow-Credentials"))
	exposed := strings.ToLower(got.Header.Get("Access-Control-Expose-Headers"))
	require.Contains(t, exposed, "last-event-id")
	require.Contains(t, exposed, "etag")
	got = ask(t, h.client, "OPTIONS", h.public.URL+"/stream", nil,
		append(listed, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers",
			"authorization,last-event-id")...)
	require.Equal(t, "https://fleet.example", got.Header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, strings.ToLower(got.Header.Get("Access-Control-Allow-Headers")), "authorization")
	got = ask(t, h.client, "GET", h.public.URL+"/stream", nil, listed...)
	require.Equal(t, http.StatusUnauthorized, got.StatusCode)
	require.Equal(t, "https://fleet.example", got.Header.Get("Access-Control-Allow-Origin"),
		"the page may read why")

	require.Empty(t, ask(t, h.client, "HEAD", h.internal.URL+"/stream", nil, listed...).Header.Get(
		"Access-Control-Allow-Origin"), "the internal port is for no pages")
	none := start(t)
	require.Empty(t, ask(t, none.client, "HEAD", none.public.URL+"/stream", nil, listed...).Header.Get(
		"Access-Control-Allow-Origin"))
}

// A stream ends when its token expires, on every transport.
func TestStreamEndsWithItsToken(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for seconds")
	}
	for name, client := range map[string]func(*hub) *http.Client{
		"h1": func(h *hub) *http.Client { return h.client }, "h2": func(*hub) *http.Client { return h2(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t, tokens(t))
			began := time.Now()
			s := follow(t, client(h), h.public.URL+"/stream", bearer(signed(t, "me", shortLife, "*"))...)
			s.begun(t)
			require.Equal(t, "bye expired", s.brief(t))
			require.GreaterOrEqual(t, time.Now().Unix(), began.Add(shortLife).Unix())
			require.Equal(t, "expired", h.closed(t, 1)["reason"])
		})
	}
}

// It ends at the exact time, which a synctest bubble measures.
func TestStreamEndsOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t, tokens(t), requireAuth)
		began := time.Now()
		response, err := h.client.Do(h.request(t, "GET", "/stream", nil,
			bearer(signed(t, "me", time.Minute, "*"))...))
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Contains(t, string(text), "event: bye\ndata: {\"reason\":\"expired\"}\n\n")
		require.Equal(t, time.Minute, time.Since(began).Round(time.Second))
	})
}

// A hub that could not fetch its keys answers 503.
func TestKeysThatCannotBeFetched(t *testing.T) {
	keys, err := token.KeySet(t.Context(), "http://127.0.0.1:1/keys", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	h := start(t, func(_ *stream.Config, c *api.Config) {
		c.Anonymous, c.Tokens = false, token.NewVerifier(keys, token.Rules{})
	})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	raw, err := jwt.NewWithClaims(jwt.SigningMethodES256,
		jwt.MapClaims{"exp": time.Now().Add(time.Hour).Unix()}).SignedString(key)
	require.NoError(t, err)
	got := ask(t, h.client, "GET", h.public.URL+"/stream", nil, bearer(raw)...)
	refused(t, got, http.StatusServiceUnavailable, "cannot fetch the keys")
	require.Equal(t, "5", got.Header.Get("Retry-After"))
}

// A client with MaxStreams streams gets a stream that ends with `bye`.
func TestMaxStreams(t *testing.T) {
	h := start(t, tokens(t), func(_ *stream.Config, c *api.Config) { c.MaxStreams = 2 })
	url := h.public.URL + "/stream"
	mine, yours := bearer(signed(t, "me", time.Hour, "*")), bearer(signed(t, "you", time.Hour, "*"))
	first := follow(t, h.client, url, mine...)
	first.begun(t)
	follow(t, h.client, url, bearer(signed(t, "me", 2*time.Hour, "vehicle:a"))...).begun(t)
	third := follow(t, h.client, url, mine...)
	require.Regexp(t, `\Aretry: 60000\nevent: ping\ndata: {"time":[0-9.]+}\n\n\z`, third.block(t))
	require.Equal(t, "bye too-many", third.brief(t))
	_, err := third.lines.ReadByte()
	require.Error(t, err, "it is ended")
	follow(t, h.client, url, yours...).begun(t)
	for range 3 {
		follow(t, h.client, h.internal.URL+"/stream").begun(t) // its operators are under no limit
	}
	require.Equal(t, 1.0, h.metric(t, "livemap_streams_closed_total", "reason")["too-many"])

	first.close()
	eventually(t, func() bool { return h.Stats().Streams == 5 })
	eventually(t, func() bool {
		s := follow(t, h.client, url, mine...)
		defer s.close()
		s.block(t)
		return s.brief(t) == "reset new"
	})
}

// Without tokens an address identifies a client.
func TestMaxStreamsOfAnAddress(t *testing.T) {
	h := start(t, trust("127.0.0.0/8"), func(_ *stream.Config, c *api.Config) { c.MaxStreams = 1 })
	url := h.public.URL + "/stream"
	follow(t, h.client, url, "X-Forwarded-For", "192.0.2.1").begun(t)
	follow(t, h.client, url, "X-Forwarded-For", "192.0.2.2").begun(t)
	third := follow(t, h.client, url, "X-Forwarded-For", "192.0.2.1")
	third.block(t)
	require.Equal(t, "bye too-many", third.brief(t))

	follow(t, h.client, url, "X-Forwarded-For", "2001:db8:1:2::1").begun(t)
	follow(t, h.client, url, "X-Forwarded-For", "2001:db8:1:3::1").begun(t)
	same := follow(t, h.client, url, "X-Forwarded-For", "2001:db8:1:2:ffff::9")
	same.block(t)
	require.Equal(t, "bye too-many", same.brief(t), "a customer has a /64")
}

// Headers of proxies evade no limit, unless the proxy is trusted.
func TestForgedAddressesEvadeNoLimit(t *testing.T) {
	for name, options := range map[string][]configure{"no proxy": {}, "another proxy": {trust("192.0.2.0/24")}} {
		t.Run(name, func(t *testing.T) {
			h := start(t, append(options, func(_ *stream.Config, c *api.Config) { c.MaxStreams = 1 })...)
			url := h.public.URL + "/stream"
			follow(t, h.client, url).begun(t)
			for _, headers := range [][]string{{"X-Forwarded-For", "192.0.2.1"}, {"X-Real-IP", "192.0.2.1"},
				{"Forwarded", "for=192.0.2.1"}, {"True-Client-IP", "192.0.2.1"}} {
				s := follow(t, h.client, url, headers...)
				s.block(t)
				require.Equal(t, "bye too-many", s.brief(t), headers)
			}
		})
	}
	h := start(t, trust("127.0.0.0/8"), func(_ *stream.Config, c *api.Config) { c.MaxStreams = 1 })
	url := h.public.URL + "/stream"
	follow(t, h.client, url, "X-Forwarded-For", "192.0.2.1").begun(t)
	s := follow(t, h.client, url, "X-Forwarded-For", "198.51.100.7, 192.0.2.1")
	s.block(t)
	require.Equal(t, "bye too-many", s.brief(t),
		"what the client says of itself stands before what the proxy adds")
}
