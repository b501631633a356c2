package stream

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Attached streams are spread over the writers.
func TestWritersShareTheStreams(t *testing.T) {
	h := New(Config{})
	defer h.Close()
	const each = 10
	streams, ended := map[*writer]int{}, make(chan Summary, each*len(h.writers))
	for range cap(ended) {
		s := h.Subscribe(Query{Topics: []string{AllTopic}})
		s.Attach(waiting(func([]byte) error { return nil }), func(its Summary) { ended <- its })
		defer func() { <-ended }()
		defer s.Leave()
		streams[s.writer.Load()]++
	}
	for _, w := range h.writers {
		require.Equal(t, each, streams[w])
	}
}
