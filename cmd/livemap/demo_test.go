package main

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"livemap/cmd/livemap/listen"
)

// The demo rejects addresses that other machines can reach, because it has no sign-in.
func TestDemoStaysOnLoopback(t *testing.T) {
	for _, flag := range []string{"--listen", "--proxy-listen", "--publish-listen"} {
		for _, address := range []string{":8080", "0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080", "example.com:80"} {
			t.Run(flag+" "+address, func(t *testing.T) {
				out, stderr, status := command(t, "", "demo", flag, address)
				assert.Equal(t, 2, status)
				assert.Empty(t, out)
				assert.Contains(t, stderr, flag+" is "+address)
				assert.Contains(t, stderr, "loopback")
			})
		}
	}
	for _, args := range [][]string{{"--listen", "off", "--proxy-listen", "off"}, {"--publish-listen", "off"},
		{"--heartbeat", "1h"}, {"--to", "http://localhost"}} {
		_, stderr, status := command(t, "", append([]string{"demo"}, args...)...)
		assert.Equal(t, 2, status)
		assert.Contains(t, stderr, args[0])
	}
}

// The demo shows the hub's errors, as text, and nothing else of its log.
func TestDemoLog(t *testing.T) {
	var shown console
	line := newRateLine(&shown, 1)
	log := slog.New(demoLog{line.notice})
	log.Info("stream opened", "stream", 1)
	log.Warn("UDP buffers are small", "bytes", 4194304)
	log.Error("cannot save", "file", "vehicles.ndjson", "tries", 2)
	log.Error("at the disco")
	assert.Equal(t, "hub: cannot save (file vehicles.ndjson, tries 2)\nhub: at the disco\n", shown.String())
}

// TestDemoPublishesInView checks that the position of the demo's example is where its map opens.
func TestDemoPublishesInView(t *testing.T) {
	var out strings.Builder
	(&demoCmd{}).welcome(streams{out: &out}, listen.Addresses{Internal: "http://127.0.0.1:9801"})
	assert.Contains(t, out.String(), `"lat":43.7755,"lon":11.258,`)
}
