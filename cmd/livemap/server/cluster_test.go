package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestClusterConfig checks which clusters are refused, and why.
func TestClusterConfig(t *testing.T) {
	files := Certificates{"cert.pem", "key.pem", "ca.pem"}
	for name, test := range map[string]struct {
		cluster Cluster
		reason  string // "": it is allowed
	}{
		"three": {Cluster{Listen: "127.0.0.1:1", Peers: []string{"127.0.0.1:2", "localhost:3"}}, ""},
		"three, with itself": {
			Cluster{Listen: "127.0.0.1:1", Peers: []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}}, ""},
		"five": {Cluster{Listen: "[::1]:1", Peers: []string{"[::1]:2", "[::1]:3", "[::1]:4", "[::1]:5"}}, ""},
		"two":  {Cluster{Listen: "127.0.0.1:1", Peers: []string{"127.0.0.1:2"}}, "stops when either of them stops"},
		"four": {Cluster{Listen: "127.0.0.1:1", Peers: []string{"127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4"}},
			"are 4 hubs; a cluster has three or five"},
		"machines": {Cluster{Listen: "0.0.0.0:1", Advertise: "a:1", Peers: []string{"b:1", "c:1"}, TLS: files}, ""},
		"machines without TLS": {Cluster{Listen: "127.0.0.1:1", Peers: []string{"b:1", "c:1"}},
			"b:1 is not on loopback: a cluster of several machines needs --cluster-cert"},
		"some files": {Cluster{Listen: "127.0.0.1:1", Peers: []string{"b:1", "c:1"}, TLS: Certificates{Cert: "x"}},
			"must be set together"},
		"all addresses": {Cluster{Listen: ":1", Peers: []string{"b:1", "c:1"}, TLS: files},
			"name a host with --cluster-advertise"},
		"a name": {Cluster{Listen: "127.0.0.1:1", Peers: []string{"127.0.0.1:2", "127.0.0.1:3"}, Node: "a b"},
			`--node-name is "a b"`},
	} {
		t.Run(name, func(t *testing.T) {
			config := Default()
			config.Cluster = test.cluster
			err := config.checkCluster()
			if test.reason == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, test.reason)
			}
			config.Journal = "nats://localhost:4222"
			assert.ErrorContains(t, config.checkCluster(), "--cluster-listen needs --journal embedded")
		})
	}
}

// TestGate checks that requests wait for the hub, and that /readyz says what it waits for.
func TestGate(t *testing.T) {
	g := newGate()
	public, internal := g.handlers()
	ask := func(h http.Handler, path string) *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
		return answer
	}
	g.wait("two hubs are missing")
	answer := ask(internal, "/readyz")
	assert.Equal(t, 503, answer.Code)
	assert.Contains(t, answer.Body.String(), "the hub waits for its journal: two hubs are missing")
	assert.Equal(t, 200, ask(internal, "/healthz").Code)
	waiting := make(chan string)
	go func() { waiting <- ask(public, "/stream").Body.String() }()
	select {
	case text := <-waiting:
		t.Fatal("it did not wait: ", text)
	default:
	}
	says := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
	}
	g.open(says("public"), says("internal"))
	assert.Equal(t, "public", <-waiting)
	assert.Equal(t, "internal", ask(internal, "/readyz").Body.String())
}
