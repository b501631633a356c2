package api

import (
	"context"
	"testing"

	"livemap/stream"
)

// The hub may end an upload whose handler is returning: then nothing uses its connection any more. Over
// HTTP/2, net/http would panic, and end the hub.
func TestClosedUploadIsLeftAlone(t *testing.T) {
	u := &upload{} // without a connection
	u.stopping, u.endsNow = context.WithCancelCause(t.Context())
	u.close()
	u.stop(stream.Draining)
}
