package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestHealth(t *testing.T) {
	ready, hung := true, make(chan struct{})
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/readyz":
			<-hung
		case !ready:
			answerProblem(w, http.StatusServiceUnavailable, "the hub is draining", nil)
		}
	}))
	defer hub.Close()
	defer close(hung)

	out, stderr, status := command(t, "", "health", "--to", hub.URL)
	assert.Zero(t, status)
	assert.Equal(t, hub.URL+" is ready\n", out+stderr)

	ready = false
	out, stderr, status = command(t, "", "health", "--to", hub.URL)
	assert.Equal(t, 1, status)
	assert.Equal(t, "livemap: "+hub.URL+" is not ready: "+
		"the hub answered 503 Service Unavailable: the hub is draining\n", out+stderr)

	_, stderr, status = command(t, "", "health", "--timeout=10ms", "--to", hub.URL+"/elsewhere")
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "no answer within 10ms")

	_, stderr, status = command(t, "", "health", "--to", "unix:"+t.TempDir()+"/none")
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "no such file")

	_, stderr, status = command(t, "", "health", "--timeout=0s")
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "--timeout: 0s is too short")
}
