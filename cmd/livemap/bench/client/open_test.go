package client

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOpen: a stream is the same over each protocol, with TLS and without.
func TestOpen(t *testing.T) {
	text := "event: live\ndata: {}\n\n" + string(textOf(0, 1, 2))
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			http.Error(w, "not here", http.StatusNotFound)
			return
		}
		io.WriteString(w, text)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	for _, test := range []struct {
		name     string
		protocol Protocol
		secure   bool
		chunked  bool
	}{
		{"HTTP/1.1", H1, false, true},
		{"HTTP/1.1 over TLS", H1, true, true},
		{"HTTP/2", H2, true, false},
		{"HTTP/2 with prior knowledge", H2, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(handler)
			server.Config.Protocols = new(http.Protocols)
			server.Config.Protocols.SetHTTP1(true)
			server.Config.Protocols.SetHTTP2(true)
			server.Config.Protocols.SetUnencryptedHTTP2(true)
			server.EnableHTTP2 = true
			if test.secure {
				server.StartTLS()
			} else {
				server.Start()
			}
			defer server.Close()
			s, err := Open(t.Context(), test.protocol, 2, 2, NewMeter(), func(int) (Opening, Check) {
				return Opening{URL: server.URL, Buffer: 1 << 10}, Every(3)
			})
			require.NoError(t, err)
			s.AwaitComplete(t.Context(), time.Minute)
			events, bytes := s.Received()
			assert.EqualValues(t, 2*3, events)
			assert.EqualValues(t, 2*len(text), bytes)
			assert.Greater(t, s.Wire(), bytes)
			assert.Equal(t, test.chunked, s.Chunked())
			s.Close()
			faults := s.Faults()
			assert.False(t, faults.Any(), faults)

			_, err = Open(t.Context(), test.protocol, 1, 1, NewMeter(), func(int) (Opening, Check) {
				return Opening{URL: server.URL + "/no", Buffer: 1 << 10}, Every(3)
			})
			require.ErrorContains(t, err, "404 Not Found: not here")
		})
	}
	_, err := Protocol("h4").open(t.Context(), Opening{}, nil)
	require.ErrorContains(t, err, `unknown protocol "h4"`)
	_, err = Open(t.Context(), H1, 1, 1, NewMeter(), func(int) (Opening, Check) {
		return Opening{URL: "http://127.0.0.1:1", Buffer: 1 << 10}, Every(3)
	})
	require.ErrorContains(t, err, "stream 1 of 1: ")
}
