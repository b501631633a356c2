//go:build faults && linux

package e2e

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

// F37: a header of HTTP/2 that never ends, in frames without a byte. net/http does not count them, and
// they cost what other small frames cost: processor time, as long as they come. Streams go on.
func TestFaultEmptyContinuation(t *testing.T) {
	hub := startHub(t, "--drain", "0s")
	book := &ledger{vehicles: 5, prefix: "V"}
	book.publish(t, hub)
	reader := book.follow(t, hub.client(t, "h2"), hub.public+"/stream")
	goroutines, memory, spent := hub.metric(t, "go_goroutines"), hub.resident(t), hub.spent(t)
	conn, framer := h2Conn(t, hub)
	conn.SetDeadline(time.Now().Add(e2eLimit))
	go io.Copy(io.Discard, conn)
	require.NoError(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: streamHeader(t),
		EndStream: true}))
	const many = 1000
	empty := bytes.Repeat([]byte{0, 0, 0, byte(http2.FrameContinuation), 0, 0, 0, 0, 1}, many)
	stop := book.publishEvery(t, func() *runningHub { return hub }, 100*time.Millisecond)
	frames, began := 0, time.Now()
	for ; time.Since(began) < 5*time.Second; frames += many {
		_, err := conn.Write(empty)
		require.NoError(t, err)
	}
	took := time.Since(began)
	stop()
	t.Logf("%d frames, %.1f MB in %s: %.2f s of processor, %.0f ns a frame; memory %.1f MiB, %.1f before",
		frames, float64(frames)*9/1e6, took.Round(time.Millisecond), spent(), spent()/float64(frames)*1e9,
		hub.resident(t), memory)
	book.settle(t, hub, reader)
	assert.Less(t, hub.resident(t), memory+100)
	conn.Close()
	hub.calm(t, goroutines, 1)
	assert.Equal(t, 1, reader.counts().opened)
}
