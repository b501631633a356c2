package api_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// An expired client certificate is as an expired token: its streams and uploads end, and a request on a
// connection that it opened is rejected and closes the connection. A certificate expires with the
// authority that vouches for it.
func TestExpiredClientCertificates(t *testing.T) {
	for name, life := range map[string]struct{ authority, publisher time.Duration }{
		"its own":         {time.Hour, time.Minute},
		"its authority's": {time.Minute, time.Hour},
	} {
		for protocol, major := range map[string]int{"h1": 1, "h2": 2} {
			t.Run(name+" over "+protocol, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					pool := x509.NewCertPool()
					shown := authorityFor(t, pool, life.authority, life.publisher)
					h := startTLS(t, major, pool, shown)
					testExpiry(t, h, time.Now().Add(time.Minute), major)
				})
			})
		}
	}
}

// startTLS starts a hub whose internal port asks for certificates of a pool, and whose client shows one.
func startTLS(t *testing.T, major int, pool *x509.CertPool, shown tls.Certificate) *piped {
	t.Helper()
	own := authority(t, x509.NewCertPool())
	protocols := new(http.Protocols)
	protocols.SetHTTP1(major == 1)
	protocols.SetHTTP2(major == 2)
	h := &piped{hub: assemble(t, tokens(t), requireAuth)}
	h.pipes = servePiped(t, &http.Server{
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{own}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool,
		},
		Protocols: protocols,
	}, h.api.Internal())
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, Certificates: []tls.Certificate{shown},
			MaxVersion: tls.VersionTLS12, // with 1.3, net/http dials again and again where a hub rejects it
		},
		Protocols:          protocols,
		DisableCompression: true,
		DialContext:        func(context.Context, string, string) (net.Conn, error) { return h.pipes.dial() },
	}
	t.Cleanup(transport.CloseIdleConnections)
	h.client = &http.Client{Transport: transport}
	return h
}

func testExpiry(t *testing.T, h *piped, expires time.Time, major int) {
	t.Helper()
	const url = "https://localhost"
	publish := func(headers ...string) (answer, error) {
		r, err := http.NewRequestWithContext(t.Context(), "POST", url+"/publish", strings.NewReader(at("a", 1, 2)))
		require.NoError(t, err)
		header(append(headers, "Content-Type", "application/json")).set(r)
		response, err := h.client.Do(r)
		if err != nil {
			return answer{}, err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Equal(t, major, response.ProtoMajor)
		return answer{response, string(text)}, nil
	}
	s := follow(t, h.client, url+"/stream")
	s.begun(t)
	u := begin(t, h.client, url)
	u.line(t, at("b", 1, 2)+"\n")
	require.Equal(t, "b", s.brief(t))
	got, err := publish()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, got.StatusCode, got.body)
	require.Equal(t, "a", s.brief(t))
	connections := h.pipes.dialed.Load()

	next := s.brief(t)
	for next == "ping" {
		next = s.brief(t)
	}
	require.Equal(t, "bye expired", next)
	require.Equal(t, expires, time.Now().Truncate(time.Second))
	require.Equal(t, "expired", u.ack(t).Ended)
	u.CloseWithError(io.ErrClosedPipe)
	require.Equal(t, expires, time.Now().Truncate(time.Second))

	time.Sleep(time.Second)
	token := bearer(publisher(t, "me", "a"))
	got, err = publish(token...)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, got.StatusCode, "a token counts without a certificate: %s", got.body)
	got, err = publish()
	require.NoError(t, err)
	refused(t, got, http.StatusUnauthorized, "client certificate expired at ", "connect again with another")
	require.Equal(t, connections, h.pipes.dialed.Load(), "all this needed no new connection")
	synctest.Wait()
	_, err = publish()
	require.Error(t, err, "the connection is closed, and a new one needs a valid certificate")
}
