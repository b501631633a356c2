package client

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPortWithoutTLS checks that an https:// address of a port that speaks plain HTTP ends a client,
// and that the error says what to write instead. Asking again would never end.
func TestPortWithoutTLS(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	hub := Hub{Transport: &http.Transport{}}
	require.NoError(t, hub.Address.UnmarshalText([]byte("https://"+plain.Listener.Addr().String())))
	const mend = "(the port does not speak TLS; write http:// instead of https://)"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	waiting := func(string, ...any) {
		t.Error("the client waits for the hub")
		cancel()
	}
	_, err := NewPublisher(hub, waiting).Publish(ctx, [][]byte{[]byte("{}")}, func(int, string) {})
	assert.ErrorContains(t, err, mend)
	assert.ErrorContains(t, NewUpload(hub, waiting).Run(ctx), mend)
}

// TestPortWithTLS: the answer to an http:// address of a port that speaks TLS says what to write instead.
func TestPortWithTLS(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	resp, err := http.Get("http://" + secure.Listener.Addr().String())
	require.NoError(t, err)
	require.EqualError(t, ReadProblem(resp), "the hub answered 400 Bad Request: "+
		"Client sent an HTTP request to an HTTPS server. (write https:// instead of http://)")
}

// TestHalfOfACertificate names the flag that is missing beside the other one, before any file is read.
func TestHalfOfACertificate(t *testing.T) {
	for given, missing := range map[*Options]string{
		{ClientCert: "absent.pem"}: "--client-cert: it needs its private key too; add --client-key FILE",
		{ClientKey: "absent.pem"}:  "--client-key: it needs its certificate too; add --client-cert FILE",
	} {
		_, err := given.Transport(Address{})
		require.EqualError(t, err, missing)
		_, _, err = given.StreamTransport(Address{}, "auto")
		require.EqualError(t, err, missing)
	}
}
