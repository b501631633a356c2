package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBenchRefusesFlags(t *testing.T) {
	target := []string{"--target", "http://127.0.0.1:1", "--publish", "http://127.0.0.1:1"}
	for _, test := range []struct {
		args []string
		says []string
	}{
		{[]string{"--scenario", "marbles"}, []string{"--scenario", "marbles", "sparse-h1"}},
		{[]string{"--target", "localhost:1"}, []string{"--target", "http:// or https://"}},
		{[]string{"--target", "http://127.0.0.1:1"}, []string{"--publish", "http:// or https://"}},
		{[]string{"--streams", "5"}, []string{"--streams", "needs --target"}},
		{[]string{"--quick", "--token", "x"}, []string{"--token", "needs --target"}},
		{append(target, "--scenario", "resident"), []string{"--scenario", "--target"}},
		{append(target, "--kind", "kafka"), []string{"--kind", "centrifugo"}},
		{append(target, "--kind", "raw"), []string{"--publish", "raw"}},
		{append(target, "--protocol", "h4"), []string{"--protocol", "h1, h2, h3"}},
		{append(target, "--protocol", "h3"), []string{"--protocol", "https://"}},
		{append(target, "--pid", "-1"), []string{"--pid"}},
		{append(target, "--streams", "0"), []string{"--streams", "from 1 to 100000"}},
		{append(target, "--rate", "0"), []string{"--rate", "from 0.1 to 100000"}},
		{append(target, "--duration", "1ms"), []string{"--duration", "from 1s to 1h"}},
	} {
		_, stderr, status := command(t, "", append([]string{"bench"}, test.args...)...)
		assert.Equal(t, 2, status, stderr)
		for _, word := range test.says {
			assert.Contains(t, stderr, word)
		}
	}
}
