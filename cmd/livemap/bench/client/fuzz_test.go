package client

import (
	"bufio"
	"bytes"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tmaxmax/go-sse"

	"livemap/cmd/livemap/bench/workload"
)

// FuzzReceiver reads any stream in pieces of any size: the same comes of it, and
// no event is counted that another parser does not find.
func FuzzReceiver(f *testing.F) {
	event := string(workload.Events{Vehicles: 1}.AppendSSE(nil, 0, time.Unix(1795421061, 0), 0))
	f.Add([]byte("retry: 1\nevent: ping\nid: x-7\ndata: {}\n\nevent: live\ndata: {}\nid: x-7\n\n"+event),
		uint8(1))
	f.Add([]byte("retry: 1\n: livemap\n\nevent: live\ndata: {}\n\n"+event), uint8(1))
	f.Add([]byte(strings.ReplaceAll(event, "\n", "\r\n")), uint8(7))
	f.Add(
		[]byte(":\nid: x-1\n\nevent: ping\ndata: {}\n\ndata\n\ndata:{\"n\":9999999999999999999}\n\n"),
		uint8(3),
	)
	m := NewMeter()
	f.Fuzz(func(t *testing.T, text []byte, size uint8) {
		whole, pieces := m.read(text, len(text)+1), m.read(text, int(size)+1)
		require.Equal(t, whole.received.Load(), pieces.received.Load())
		require.Equal(t, whole.faults, pieces.faults)
		require.Equal(t, string(whole.lastID), string(pieces.lastID))
		require.Equal(t, whole.isLive, pieces.isLive)
		if bytes.Contains(text, []byte("\r")) {
			return // alone it ends a line, which no hub writes and the receiver need not know
		}
		found := int64(0)
		for event, err := range sse.Read(bytes.NewReader(text), &sse.ReadConfig{MaxEventSize: maxEvent}) {
			if err == nil && strings.Contains(event.Data, `"n":`) {
				found++
			}
		}
		require.LessOrEqual(t, whole.received.Load(), found)
	})
}

func (m *Meter) read(text []byte, size int) *receiver {
	r := m.newReceiver(0, Every(1<<30))
	r.read(bytes.NewReader(text), size)
	return r
}

// FuzzChunkedBody takes chunks off as net/http does, where net/http can.
func FuzzChunkedBody(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), uint8(1))
	f.Add([]byte("A;x=y\r\n0123456789\r\n0\r\n\r\n"), uint8(3))
	f.Add([]byte("fffffffffffffffff\r\n"), uint8(0))
	f.Add([]byte("\r\n5 \r\nhello\r\n0\n"), uint8(9))
	f.Fuzz(func(t *testing.T, text []byte, size uint8) {
		got, err := io.ReadAll(
			newChunkedBody(
				bufio.NewReader(strings.NewReader("")), inPieces{bytes.NewReader(text), int(size) + 1},
			),
		)
		require.LessOrEqual(t, len(got), len(text))
		want, wantErr := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(text)))
		if wantErr == nil && err == nil {
			require.Equal(t, string(want), string(got))
		}
	})
}

type inPieces struct {
	from io.Reader
	size int
}

func (p inPieces) Read(b []byte) (int, error) { return p.from.Read(b[:min(len(b), p.size)]) }
