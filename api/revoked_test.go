package api_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/api"
	"livemap/api/token"
	"livemap/stream"
)

// verifierOf is an option of start that reads the hub's verifier into v.
func verifierOf(v **token.Verifier) configure {
	return func(_ *stream.Config, c *api.Config) { *v = c.Tokens }
}

// replaceKey gives a verifier another secret than the one that signed.
func replaceKey(t *testing.T, v *token.Verifier) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte("another secret that is long enough too"), 0o600))
	keys, err := token.KeyFile(path, token.TextSecret)
	require.NoError(t, err)
	v.Replace(keys)
}

// TestStreamEndsWithItsKey checks that the streams of a key that is gone end, over both protocols and on both
// ports, and that those which need no token go on.
func TestStreamEndsWithItsKey(t *testing.T) {
	var v *token.Verifier
	h := start(t, tokens(t), verifierOf(&v))
	me := bearer(signed(t, "me", time.Hour, "*"))
	streams := []*reader{
		follow(t, h.client, h.public.URL+"/stream", me...),
		follow(t, h2(t), h.public.URL+"/stream", me...),
		follow(t, h.client, h.public.URL+"/topics/vehicle:a/stream", me...),
		follow(t, h.client, h.public.URL+"/stream", "Cookie", "__Host-livemap="+signed(t, "me", time.Hour, "a")),
	}
	operator := h.subscribe(t, "/stream")
	for _, s := range append(streams, operator) {
		s.begun(t)
	}
	require.Zero(t, h.api.EndRevoked())
	replaceKey(t, v)
	require.Equal(t, len(streams), h.api.EndRevoked())
	for _, s := range streams {
		require.Equal(t, "bye expired", s.brief(t))
	}
	refused(t, ask(t, h.client, "GET", h.public.URL+"/stream", nil, me...),
		http.StatusUnauthorized, "it is not signed with a key of this hub")
	h.put(t, at("a", 1, 2))
	require.Equal(t, "a", operator.brief(t))
}

// TestUploadEndsWithItsKey checks that an upload ends within a second of its key, at the end of a line.
func TestUploadEndsWithItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v *token.Verifier
		h := startPiped(t, tokens(t), requireAuth, verifierOf(&v))
		u := begin(t, h.client, "http://localhost", bearer(publisher(t, "me", "*"))...)
		u.line(t, at("a", 1, 2)+"\n")
		time.Sleep(time.Minute)
		replaceKey(t, v)
		began := time.Now()
		got := u.ack(t)
		require.Equal(t, "expired", got.Ended)
		require.Equal(t, 1, got.Accepted)
		require.LessOrEqual(t, time.Since(began), time.Second)
		u.CloseWithError(io.ErrClosedPipe)
	})
}
