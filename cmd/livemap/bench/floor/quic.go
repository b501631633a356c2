package floor

import (
	"context"
	"net"
	"slices"

	"github.com/quic-go/quic-go"
	"golang.org/x/sync/errgroup"
)

const (
	udpBuffer = 7 << 20 // bytes; what quic-go asks for
	packet    = 1100    // bytes that fit into one, in any case
	atOnce    = 32      // streams
)

// ALPN is the application protocol of a floor whose connections are QUIC.
const ALPN = "bench"

// quicStreams are QUIC connections with one stream each.
type quicStreams struct {
	*quic.Listener
	socket  net.PacketConn
	streams []*quic.Stream
	want    int
}

func listenBareQUIC(streams int) (writers, error) {
	config, err := floorTLS(ALPN)
	if err != nil {
		return nil, err
	}
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	socket.SetReadBuffer(udpBuffer)
	socket.SetWriteBuffer(udpBuffer)
	l, err := quic.Listen(socket, config, &quic.Config{})
	return &quicStreams{Listener: l, socket: socket, want: streams}, err
}

func (w *quicStreams) address() string { return "https://" + w.Addr().String() }

func (w *quicStreams) accept(ctx context.Context) error {
	w.streams = make([]*quic.Stream, w.want)
	accepting, ctx := errgroup.WithContext(ctx)
	accepting.SetLimit(atOnce)
	for i := range w.want {
		accepting.Go(func() error {
			conn, err := w.Accept(ctx)
			if err != nil {
				return err
			}
			w.streams[i], err = conn.AcceptStream(ctx)
			return err
		})
	}
	return accepting.Wait()
}

// writeAll writes to one stream after the other. A write of more than a packet waits until it
// is sent, so then several streams are written to at a time.
func (w *quicStreams) writeAll(p []byte) error {
	if len(p) <= packet {
		return writeEach(w.streams, p)
	}
	share := (len(w.streams) + atOnce - 1) / atOnce
	var writing errgroup.Group
	for streams := range slices.Chunk(w.streams, share) {
		writing.Go(func() error { return writeEach(streams, p) })
	}
	return writing.Wait()
}

func writeEach(streams []*quic.Stream, p []byte) error {
	for _, stream := range streams {
		if _, err := stream.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// Close ends all connections.
func (w *quicStreams) Close() error {
	w.Listener.Close()
	return w.socket.Close()
}
