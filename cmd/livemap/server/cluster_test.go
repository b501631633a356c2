package server

import (
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
