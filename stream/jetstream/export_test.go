package jetstream

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
)

// Engine returns the connection to the server that runs.
func Engine(j *Journal) jetstream.JetStream { return j.engine.js }

// Fail does what a write error does: the server is stopped, until the journal starts it again.
func Fail(j *Journal) {
	j.refuse(ErrWrite)
	j.stopEngine(ErrWrite)
}

// Pretend has the journal believe that a message was acknowledged.
func Pretend(j *Journal, seq uint64) { j.stored.Store(seq) }

// Leader returns the name of the server that leads the stream.
func Leader(ctx context.Context, j *Journal) string {
	s, err := j.engine.js.Stream(ctx, streamName)
	if err != nil {
		return ""
	}
	return s.CachedInfo().Cluster.Leader
}
