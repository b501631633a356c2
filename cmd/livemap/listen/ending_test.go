package listen

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Text returns what a client of HTTP/2 sends first, and requests for / if it has any.
func h2Text(t *testing.T, requests int) string {
	var text, header bytes.Buffer
	text.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(&text, nil)
	require.NoError(t, framer.WriteSettings())
	encoder := hpack.NewEncoder(&header)
	for i := range requests {
		header.Reset()
		for _, field := range [][2]string{
			{":method", "GET"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/"},
		} {
			require.NoError(t, encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
		}
		require.NoError(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1),
			BlockFragment: header.Bytes(), EndStream: true, EndHeaders: true}))
	}
	return text.String()
}

// TestTimeLimitsAreCounted checks that each time limit of a server which ends a connection without a word
// is counted with its reason, and that nothing else is.
func TestTimeLimitsAreCounted(t *testing.T) {
	const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	certificate := httptest.NewTLSServer(http.NotFoundHandler())
	defer certificate.Close()
	for _, test := range []struct {
		name   string
		tls    string // ALPN; "" is plaintext
		raw    bool   // below TLS
		sends  string
		then   string // sent when the hub has answered
		leaves bool
		want   string // the reason; "" is none
		after  time.Duration
	}{
		{name: "nothing", want: "request", after: headerTimeout},
		{name: "half a header", sends: request[:20], want: "request", after: headerTimeout},
		{name: "no further request", sends: request, want: "idle", after: idleTimeout},
		{name: "half a second header", sends: request, then: request[:20], want: "request", after: headerTimeout},
		{name: "an answer that closes", sends: "GET / HTTP/1.0\r\n\r\n"},
		{name: "no body", sends: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", after: time.Second},
		{name: "no HTTP", sends: "good morning to you, dear hub\r\n\r\n"},
		{name: "client leaves", leaves: true},
		{name: "client leaves in a header", sends: request[:20], leaves: true},
		{name: "no handshake", tls: "http/1.1", raw: true, want: "handshake", after: headerTimeout},
		{name: "half a handshake", tls: "http/1.1", raw: true, sends: "\x16\x03\x01\x02\x00\x01", want: "handshake",
			after: headerTimeout},
		{name: "no TLS", tls: "http/1.1", raw: true, sends: request},
		{name: "client leaves the handshake", tls: "http/1.1", raw: true, leaves: true},
		{name: "nothing over TLS", tls: "http/1.1", want: "request", after: headerTimeout},
		{name: "no further request over TLS", tls: "http/1.1", sends: request, want: "idle", after: idleTimeout},
		{name: "nothing over HTTP/2", tls: "h2", want: "request", after: 10 * time.Second},
		{name: "no SETTINGS", tls: "h2", sends: http2.ClientPreface, want: "request", after: 2 * time.Second},
		{name: "no request over HTTP/2", tls: "h2", sends: h2Text(t, 0), want: "request",
			after: idleTimeout + time.Second},
		{name: "no further request over HTTP/2", tls: "h2", sends: h2Text(t, 2), want: "idle",
			after: idleTimeout + time.Second},
		{name: "client of HTTP/2 leaves", tls: "h2", sends: h2Text(t, 1), leaves: true},
		{name: "no SETTINGS in plaintext", sends: http2.ClientPreface, want: "request", after: 2 * time.Second},
		{name: "no further request over HTTP/2 in plaintext", sends: h2Text(t, 1), want: "idle",
			after: idleTimeout + time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				come := &arrivals{come: make(chan arrival)}
				limiter, reasons := testLimiter(), make(chan string, 10)
				limiter.cuts.countWith(func(reason string) { reasons <- reason })
				port := newHTTPPort("listen", []net.Listener{come}, limiter, slog.New(slog.DiscardHandler))
				if test.tls != "" {
					port.tls = &tls.Config{Certificates: certificate.TLS.Certificates}
				}
				served := make(chan error, 1)
				go func() {
					served <- port.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if r.ContentLength > 0 {
							http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Second))
							io.ReadAll(r.Body)
						}
					}))
				}()
				pipe, server := net.Pipe()
				come.come <- arrival{conn: server}
				client := pipe
				if test.tls != "" && !test.raw {
					secure := tls.Client(pipe, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{test.tls}})
					require.NoError(t, secure.Handshake())
					client = secure
				}
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					io.Copy(io.Discard, client)
				}()
				for _, text := range []string{test.sends, test.then} {
					io.WriteString(client, text)
					synctest.Wait()
				}
				began := time.Now()
				if test.leaves {
					pipe.Close()
				}
				<-ended
				require.Equal(t, test.after, time.Since(began).Round(100*time.Millisecond))
				synctest.Wait()
				pipe.Close()
				time.Sleep(time.Minute)
				if test.want != "" {
					require.Len(t, reasons, 1)
					require.Equal(t, test.want, <-reasons)
				}
				require.Empty(t, reasons)
				require.Zero(t, limiter.open)
				port.shutdown(t.Context())
				<-served
				require.Empty(t, reasons)
			})
		})
	}
}
