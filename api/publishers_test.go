package api_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/api"
	"livemap/stream"
)

// publisher returns a token to publish for vehicles and to name topics of depots.
func publisher(t testing.TB, subject string, vehicles ...string) string {
	t.Helper()
	return claimed(t, subject, time.Hour, map[string]any{"publish": vehicles, "topics": []string{"depot:*"}})
}

// A rejected publisher gets its answer while its upload is open.
func TestRefusedUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t, tokens(t), requireAuth)
		for status, headers := range map[int][]string{
			401: nil, 403: bearer(publisher(t, "me")),
			400: append(bearer(publisher(t, "me", "*")), "Idempotency-Key", "k"),
			415: append(bearer(publisher(t, "me", "*")), "Content-Encoding", "gzip"),
		} {
			u := begin(t, h.client, "http://localhost", headers...)
			began := time.Now()
			response := <-u.answered
			require.NotNil(t, response, status)
			require.Equal(t, status, response.StatusCode)
			require.Less(t, time.Since(began), time.Minute)
			u.CloseWithError(io.ErrClosedPipe)
		}
	})
}

// inside returns the headers of a publish.
func inside(media, raw string) []string { return append(bearer(raw), "Content-Type", media) }

func TestInternalPortRequiresAuth(t *testing.T) {
	h := start(t, tokens(t), requireAuth)
	good := publisher(t, "me", "TRUCK-*")
	url := h.internal.URL
	for _, c := range []struct{ method, path string }{
		{"POST", "/publish"},
		{"DELETE", "/vehicles/TRUCK-1"},
		{"GET", "/metrics"},
		{"GET", "/stream"},
		{"GET", "/vehicles/TRUCK-1"},
		{"GET", "/session"},
	} {
		for _, headers := range [][]string{nil, {"Cookie", "__Host-livemap=" + good}} {
			if headers != nil && c.method == "GET" && c.path != "/metrics" {
				continue // readers have their cookie here, too
			}
			got := h.do(t, c.method, url+c.path, nil, append(headers, "Content-Type", "application/json")...)
			p := refused(t, got, http.StatusUnauthorized)
			require.Contains(t, p.Detail, "a token in Authorization: Bearer, or a client certificate", c)
			require.NotEmpty(t, got.Header.Get("WWW-Authenticate"))
		}
		refused(t, h.do(t, c.method, url+c.path, nil, inside("application/json", good+"x")...),
			http.StatusUnauthorized, "not signed with a key")
	}
	for _, path := range []string{"/healthz", "/readyz", "/", "/openapi.yaml"} {
		require.Equal(t, 200, h.do(t, "GET", url+path, nil).StatusCode, path)
	}
	require.Equal(t, 200, h.do(t, "GET", url+"/metrics", nil,
		bearer(signed(t, "prometheus", time.Hour))...).StatusCode)
	require.Equal(t, 200, h.do(t, "GET", url+"/healthz", nil, "Host", "hub.example").StatusCode,
		"its names are nobody's business")

	reader := signed(t, "reader", time.Hour, "*")
	cookie := []string{"Cookie", "__Host-livemap=" + reader}
	for _, path := range []string{"/stream", "/snapshot", "/session"} {
		require.Equal(t, 200, h.do(t, "HEAD", url+path, nil, cookie...).StatusCode,
			"the map that is served here has readers sign in: %s", path)
		refused(t, h.do(t, "GET", url+path, nil, append(cookie, "Sec-Fetch-Site", "cross-site")...),
			http.StatusUnauthorized, "its cookie works only on pages of this hub")
	}
	refused(t, h.do(t, "POST", url+"/publish", strings.NewReader(at("TRUCK-1", 1, 2)),
		inside("application/json", reader)...), http.StatusForbidden, "may publish nothing")
	refused(t, h.do(t, "POST", url+"/publish?dry_run=true", strings.NewReader(at("TRUCK-1", 1, 2)),
		inside("application/json", reader)...), http.StatusForbidden, "may publish nothing")
	refused(t, h.do(t, "DELETE", url+"/vehicles/TRUCK-1", nil, bearer(reader)...), http.StatusForbidden,
		"may publish nothing")
	refused(t, h.do(t, "GET", url+"/stream", nil, bearer(good)...), http.StatusForbidden, "may read nothing")

	for _, query := range []string{"?token=", "?access_token="} {
		refused(t, h.do(t, "POST", url+"/publish"+query+good, strings.NewReader(at("TRUCK-1", 1, 2)),
			"Content-Type", "application/json"), http.StatusUnauthorized)
	}
	refused(t, h.do(t, "POST", url+"/publish?dry_run=true", strings.NewReader(at("VAN-1", 1, 2)),
		inside("application/json", good)...), http.StatusForbidden, "may not publish for this vehicle")
	refused(t, h.do(t, "POST", url+"/publish", strings.NewReader(
		at("TRUCK-1", 1, 2, `"topics":["depot:7","city"]`)), inside("application/json", good)...),
		http.StatusForbidden, `may not name the topic "city"`)

	got := h.do(t, "POST", url+"/publish", strings.NewReader("["+at("TRUCK-1", 1, 2, `"topics":["depot:7"]`)+","+
		at("VAN-1", 1, 2)+","+at("TRUCK-2", 1, 2, `"topics":["city"]`)+"]"), inside("application/json", good)...)
	require.Equal(t, http.StatusOK, got.StatusCode)
	a := ackOf(t, got.body)
	require.Equal(t, []any{"PARTIAL", 1, 2}, []any{a.Status, a.Accepted, a.Rejected})
	require.Equal(t, []refusal{
		{1, "VAN-1", "vehicle_id", "this token may not publish for this vehicle"},
		{2, "TRUCK-2", "topics", `this token may not name the topic "city"`},
	}, a.Errors)
	require.Equal(t, 1, h.Stats().Vehicles)

	for media, body := range map[string]string{
		"application/json": at("VAN-1", 1, 2), "application/x-ndjson": at("VAN-1", 1, 2) + "\n" +
			at("TRUCK-1", 5, 6, `"topics":["a"]`),
		"application/geo+json": `{"type":"Feature","id":"VAN-1","geometry":{"type":"Point","coordinates":[1,2]},` +
			`"properties":null}`,
	} {
		p := refused(t, h.do(t, "POST", url+"/publish", strings.NewReader(body), inside(media, good)...),
			http.StatusForbidden, "the hub rejected")
		require.Equal(t, "this token may not publish for this vehicle", p.Errors[0].Detail)
		require.NotEmpty(t, p.Errors, media)
	}
	refused(t, h.do(t, "POST", url+"/publish", strings.NewReader("["+at("VAN-1", 1, 2)+",{}]"),
		inside("application/json", good)...), http.StatusUnprocessableEntity)
	require.Equal(t, 1, h.Stats().Vehicles)
	refused(t, h.do(t, "DELETE", url+"/vehicles/VAN-1", nil, bearer(good)...), http.StatusForbidden,
		`may not publish for the vehicle "VAN-1"`)
	require.Equal(t, http.StatusNoContent, h.do(t, "DELETE", url+"/vehicles/TRUCK-1", nil,
		bearer(good)...).StatusCode)
	require.NotContains(t, h.log.text(), good[:30])
}

// The internal port requires auth even where everyone may read.
func TestInternalPortRequiresAuthOfAnonymous(t *testing.T) {
	h := start(t, requireAuth)
	refused(t, h.do(t, "GET", h.internal.URL+"/stream", nil), http.StatusUnauthorized,
		"a client certificate that --publish-client-ca signed")
	refused(t, h.do(t, "POST", h.internal.URL+"/publish", nil,
		inside("application/json", publisher(t, "me", "*"))...), http.StatusUnauthorized, "client certificate")
}

// A publisher with a certificate may do everything.
func TestClientCertificates(t *testing.T) {
	h := start(t, tokens(t), requireAuth)
	pool := x509.NewCertPool()
	good, stranger := authority(t, pool), authority(t, x509.NewCertPool())
	s := serveWithCertificates(t, h, pool)
	publish := func(client *http.Client) answer {
		return ask(t, client, "POST", s.URL+"/publish", strings.NewReader(at("a", 1, 2)), "Content-Type",
			"application/json")
	}
	require.Equal(t, http.StatusOK, publish(showing(t, good)).StatusCode)
	require.Equal(t, http.StatusUnauthorized, publish(showing(t)).StatusCode)
	require.Equal(t, http.StatusOK, ask(t, showing(t), "GET", s.URL+"/readyz", nil).StatusCode)
	require.Equal(t, http.StatusOK, ask(t, showing(t, good), "GET", s.URL+"/metrics", nil).StatusCode)
	require.Equal(t, http.StatusOK, ask(t, showing(t, good), "GET", s.URL+"/vehicles/a", nil).StatusCode)
	lax := httptest.NewUnstartedServer(h.api.Internal())
	lax.TLS = &tls.Config{ClientAuth: tls.RequestClientCert} // which verifies nothing
	lax.StartTLS()
	t.Cleanup(lax.Close)
	require.Equal(t, http.StatusUnauthorized, ask(t, showing(t, stranger), "POST", lax.URL+"/publish",
		strings.NewReader(at("a", 1, 2)), "Content-Type", "application/json").StatusCode)
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/readyz", nil)
	require.NoError(t, err)
	answered, err := showing(t, stranger).Do(r)
	if err == nil { // a client that was told of no authority it knows may show nothing
		answered.Body.Close()
		require.Equal(t, http.StatusUnauthorized, publish(showing(t, stranger)).StatusCode)
	}
}

// serveWithCertificates serves the internal port to clients with a certificate of a pool.
func serveWithCertificates(t *testing.T, h *hub, pool *x509.CertPool) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h.api.Internal())
	s.TLS = &tls.Config{ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// showing returns a client with certificates.
func showing(t *testing.T, certificates ...tls.Certificate) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true,
		Certificates: certificates}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Certificates distinguish publishers of one address, such as vans behind one NAT.
func TestCertificatesDistinguishPublishers(t *testing.T) {
	pool := x509.NewCertPool()
	one, other := authority(t, pool), authority(t, pool)
	s := serveWithCertificates(t, start(t, requireAuth, publishRate(1)), pool)
	publish := func(client *http.Client, key, position string) answer {
		return ask(t, client, "POST", s.URL+"/publish", strings.NewReader(position), "Content-Type",
			"application/json", "Idempotency-Key", key)
	}
	first := publish(showing(t, one), "1", at("a", 1, 2))
	require.Equal(t, http.StatusOK, first.StatusCode)
	require.Equal(t, http.StatusOK, publish(showing(t, other), "1", at("b", 1, 2)).StatusCode,
		"neither the key nor the rate is another's")
	require.Equal(t, first.body, publish(showing(t, one), "1", at("a", 1, 2)).body,
		"over another connection, too")
}

// authority creates a certificate authority, adds it to a pool, and returns a publisher's certificate.
func authority(t *testing.T, pool *x509.CertPool) tls.Certificate {
	t.Helper()
	return authorityFor(t, pool, time.Hour, time.Hour)
}

// authorityFor is authority with the times after which its certificate and the publisher's end.
func authorityFor(t *testing.T, pool *x509.CertPool, its, publishers time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotAfter: time.Now().Add(its), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	require.NoError(t, err)
	ca, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "publisher"},
		NotAfter: time.Now().Add(publishers), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err = x509.CreateCertificate(rand.Reader, leaf, ca, own.Public(), key)
	require.NoError(t, err)
	pool.AddCert(ca)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: own}
}

// A web page may point its own name at this machine (DNS rebinding).
func TestForeignHosts(t *testing.T) {
	h := start(t)
	port := h.internal.URL[strings.LastIndexByte(h.internal.URL, ':'):]
	for host, ok := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "localhost.": true, "localhost" + port: true, "127.0.0.1": true,
		"127.0.0.1" + port: true, "[::1]": true, "[::1]" + port: true, "192.0.2.7": true,
		"evil.example": false, "evil.example" + port: false, "localhost.evil.example": false,
		"127.0.0.1.nip.io": false, "notlocalhost": false, "127.0.0.1.": false,
	} {
		for _, path := range []string{"/healthz", "/stream", "/", "/metrics", "/debug/pprof/"} {
			got := h.do(t, "HEAD", h.internal.URL+path, nil, "Host", host)
			require.Equal(t, map[bool]bool{true: false, false: true}[ok],
				got.StatusCode == http.StatusMisdirectedRequest, "%s %s: %d", host, path, got.StatusCode)
		}
	}
	refused(t, h.do(t, "POST", h.internal.URL+"/publish", strings.NewReader(at("a", 1, 2)), "Host",
		"evil.example", "Content-Type", "application/json"),
		http.StatusMisdirectedRequest, `"evil.example"`, "localhost and IP addresses")
	require.Empty(t, h.vehicles(t))
	r := httptest.NewRequestWithContext(t.Context(), "GET", "http://anything/healthz", nil)
	w := httptest.NewRecorder()
	h.api.Internal().ServeHTTP(w, r.WithContext(
		context.WithValue(r.Context(), http.LocalAddrContextKey, &net.UnixAddr{Net: "unix"})))
	require.Equal(t, 200, w.Code, "no page's name leads to a unix socket")
	require.Equal(t, 200, h.do(t, "GET", h.public.URL+"/snapshot", nil, "Host", "fleet.example").StatusCode,
		"the public port has names")
}

// Debugging answers this machine only.
func TestDebuggingRequiresLoopback(t *testing.T) {
	h := assemble(t, tokens(t), requireAuth)
	for from, status := range map[string]int{"127.0.0.1:1": 200, "[::1]:1": 200, "[::ffff:127.0.0.1]:1": 200,
		"192.0.2.1:1": 403, "[2001:db8::1]:1": 403, "@": 403} {
		for _, path := range []string{"/debug/pprof/", "/debug/vars", "/debug/pprof/cmdline"} {
			r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
			r.RemoteAddr = from
			r.Header.Set("X-Forwarded-For", "127.0.0.1")
			r.Header.Set("Authorization", "Bearer "+publisher(t, "me", "*"))
			w := httptest.NewRecorder()
			h.api.Internal().ServeHTTP(w, r)
			require.Equal(t, status, w.Code, "%s %s", from, path)
		}
	}
}

// No publisher gets the answer to another's.
func TestIdempotencyKeysOfPublishers(t *testing.T) {
	h := start(t, tokens(t), requireAuth)
	publish := func(subject, body string) answer {
		return h.do(t, "POST", h.internal.URL+"/publish", strings.NewReader(body),
			append(inside("application/json", publisher(t, subject, "*")), "Idempotency-Key", "k")...)
	}
	first := publish("one", at("a", 1, 2))
	require.Equal(t, first.body, publish("one", at("a", 1, 2)).body)
	require.Equal(t, 1, ackOf(t, publish("other", at("b", 1, 2)).body).Accepted)
	require.Equal(t, 1, ackOf(t, publish("other\none", at("c", 1, 2)).body).Accepted)
	less := h.do(t, "POST", h.internal.URL+"/publish", strings.NewReader(at("a", 1, 2)),
		append(inside("application/json", publisher(t, "one", "b")), "Idempotency-Key", "k")...)
	refused(t, less, http.StatusForbidden)
	topicless := claimed(t, "one", time.Hour, map[string]any{"publish": []string{"*"}})
	got := h.do(t, "POST", h.internal.URL+"/publish", strings.NewReader(at("d", 1, 2)),
		append(inside("application/json", topicless), "Idempotency-Key", "k")...)
	require.Equal(t, 1, ackOf(t, got.body).Accepted, "another token's right to name topics is not its own")
}

func publishRate(perSecond float64) configure {
	return func(_ *stream.Config, c *api.Config) { c.PublishRate = perSecond }
}

// A publisher that exceeds its rate must wait; others need not.
func TestPublishRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t, tokens(t), requireAuth, publishRate(10))
		publish := func(subject string, positions ...string) answer {
			return h.do(t, "POST", "http://localhost/publish", strings.NewReader("["+strings.Join(positions, ",")+"]"),
				inside("application/json", publisher(t, subject, "*"))...)
		}
		require.Equal(t, 200, publish("a", at("1", 1, 2), at("2", 1, 2), at("3", 1, 2)).StatusCode)
		many := make([]string, 30)
		for i := range many {
			many[i] = at("x", 1, i)
		}
		require.Equal(t, 30, ackOf(t, publish("a", many...).body).Accepted,
			"who owes nothing may publish much at once")
		got := publish("a", at("4", 1, 2))
		refused(t, got, http.StatusTooManyRequests, "exceeded 10 positions per second", "wait 3 s")
		require.Equal(t, "3", got.Header.Get("Retry-After"))
		require.Equal(t, 200, publish("b", at("5", 1, 2)).StatusCode)
		require.Contains(t, h.do(t, "GET", "http://localhost/metrics", nil, bearer(publisher(t, "b"))...).body,
			`livemap_publishes_total{result="limited"} 1`)

		time.Sleep(3 * time.Second)
		require.Equal(t, 200, publish("a", at("4", 1, 2)).StatusCode)
		require.Equal(t, 200, publish("c", append(many, slices.Repeat([]string{"{}"}, 12)...)...).StatusCode)
		// with those that were refused
		refused(t, publish("c", at("4", 1, 2)), http.StatusTooManyRequests, "wait 4 s")
		for i := range 2000 {
			require.Equal(t, 200, publish("other "+strconv.Itoa(i), at("5", 1, 2)).StatusCode)
		}
		refused(t, publish("c", at("4", 1, 2)), http.StatusTooManyRequests, "wait 4 s") // however many others came
	})
}

// A repeat under a key gets its ack even from a publisher that exceeds its rate. Otherwise the publisher
// would wait until the key expires, and publish again.
func TestPublishRateOfRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t, publishRate(1))
		publish := func(key, position string) answer {
			return h.do(t, "POST", "http://localhost/publish", strings.NewReader(position), "Content-Type",
				"application/json", "Idempotency-Key", key)
		}
		first := publish("1", at("a", 1, 2))
		require.Equal(t, 200, first.StatusCode)
		require.Equal(t, first.body, publish("1", at("a", 1, 2)).body)
		refused(t, publish("2", at("b", 1, 2)), http.StatusTooManyRequests)
		time.Sleep(time.Second)
		require.Equal(t, 200, publish("2", at("b", 1, 2)).StatusCode, "what was not published is not remembered")
	})
}

// The hub reads uploads no faster than their publisher may publish. They end when the hub drains.
func TestPublishRateOfUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t, publishRate(10))
		lines := strings.Repeat(at("a", 1, 2)+"\n", 100)
		began := time.Now()
		u := begin(t, h.client, "http://localhost")
		u.line(t, lines)
		u.line(t, at("b", 1, 2)+"\n")
		u.Close()
		response := <-u.answered
		require.NotNil(t, response)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Equal(t, 2, ackOf(t, string(text)).Accepted)
		require.GreaterOrEqual(t, time.Since(began), 9*time.Second)

		time.Sleep(time.Minute)
		u = begin(t, h.client, "http://localhost")
		u.line(t, lines+lines)
		synctest.Wait()
		began = time.Now()
		h.api.Drain()
		require.NotNil(t, <-u.answered)
		require.Less(t, time.Since(began), 3*time.Second)
		u.CloseWithError(io.ErrClosedPipe)
	})
}

// The rate holds for an upload that was idle while many other publishers came.
func TestPublishRateOfIdleUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t, tokens(t), requireAuth, publishRate(10))
		publish := func(subject string) answer {
			return h.do(t, "POST", "http://localhost/publish", strings.NewReader(at("x", 1, 2)),
				inside("application/json", publisher(t, subject, "*"))...)
		}
		u := begin(t, h.client, "http://localhost", bearer(publisher(t, "idle", "*"))...)
		u.line(t, "\n")
		synctest.Wait()
		for i := range 2000 {
			require.Equal(t, 200, publish(strconv.Itoa(i)).StatusCode)
		}
		u.line(t, strings.Repeat(at("a", 1, 2)+"\n", 50))
		synctest.Wait()
		refused(t, publish("idle"), http.StatusTooManyRequests, "wait 5 s")
		u.CloseWithError(io.ErrClosedPipe)
		<-u.answered
	})
}

// An upload ends when its token expires, at the end of a line.
func TestUploadEndsWithItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t, tokens(t), requireAuth)
		began := time.Now()
		u := begin(t, h.client, "http://localhost",
			bearer(claimed(t, "me", 3*time.Minute, map[string]any{"publish": []string{"*"}}))...)
		u.line(t, at("a", 1, 2)+"\n"+at("b", 1, 2)[:10])
		response := <-u.answered
		require.NotNil(t, response)
		require.Less(t, time.Since(began)-3*time.Minute, 4*time.Second, "with some time to finish the line")
		require.GreaterOrEqual(t, time.Since(began), 3*time.Minute-time.Second)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Equal(t, 1, ackOf(t, string(text)).Accepted)
		require.Equal(t, "expired", ackOf(t, string(text)).Ended)
		u.CloseWithError(io.ErrClosedPipe)
	})
}

// The clock may be set while an upload is idle. When that makes its token expire, it ends within a second.
func TestUploadEndsWhenTheClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var jump atomic.Int64
		h := startPiped(t, tokens(t), requireAuth, func(_ *stream.Config, c *api.Config) {
			c.Clock = func() time.Time { return time.Now().Add(time.Duration(jump.Load())).Round(0) }
		})
		u := begin(t, h.client, "http://localhost", bearer(publisher(t, "me", "*"))...)
		u.line(t, at("a", 1, 2)+"\n")
		time.Sleep(time.Minute)
		jump.Store(int64(time.Hour))
		began := time.Now()
		require.Equal(t, "expired", u.ack(t).Ended)
		require.LessOrEqual(t, time.Since(began), time.Second)
		u.CloseWithError(io.ErrClosedPipe)
	})
}
