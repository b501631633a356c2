package listen

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
	"github.com/quic-go/quic-go/testutils/simnet"
	"github.com/stretchr/testify/require"
)

// slowLink is a simulated network of a hub and a client, for a test in a synctest bubble.
type slowLink struct {
	hosts simnet.PerfectRouter

	mu       sync.Mutex // guards what follows
	rate     int        // bytes per second to the client
	free     time.Time  // when all packets to the client have passed
	last     time.Time  // when the last packet arrives
	vanished bool       // the client neither receives nor sends
}

var (
	hubAddress    = &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 443}
	clientAddress = &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 50000}
)

const (
	linkDelay  = 20 * time.Millisecond
	linkBuffer = 8 << 10 // bytes that wait for the link; it drops more
)

// AddNode implements simnet.Router.
func (l *slowLink) AddNode(address net.Addr, host simnet.PacketReceiver) {
	l.hosts.AddNode(address, host)
}

// SendPacket implements simnet.Router.
func (l *slowLink) SendPacket(p simnet.Packet) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	arrives := time.Now()
	if p.To.String() == clientAddress.String() {
		if l.free.Before(arrives) {
			l.free = arrives
		}
		busy := l.free.Sub(arrives)
		if busy > l.takes(linkBuffer) {
			return nil
		}
		l.free = l.free.Add(l.takes(len(p.Data)))
		arrives = l.free
	}
	arrives = arrives.Add(linkDelay)
	if !arrives.After(l.last) {
		arrives = l.last.Add(time.Nanosecond) // in order
	}
	l.last = arrives
	time.AfterFunc(time.Until(arrives), func() {
		l.mu.Lock()
		vanished := l.vanished
		l.mu.Unlock()
		if !vanished {
			l.hosts.SendPacket(p)
		}
	})
	return nil
}

func (l *slowLink) takes(bytes int) time.Duration {
	return time.Duration(bytes) * time.Second / time.Duration(l.rate)
}

// slowDown sets the rate, after a handshake that it would make fail.
func (l *slowLink) slowDown(rate int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate = rate
}

// vanish cuts the client off.
func (l *slowLink) vanish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.vanished = true
}

// serverTLS returns a configuration for quicAcross. It is made outside of the bubble, because httptest
// listens on a real socket.
func serverTLS() *tls.Config {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	return &tls.Config{Certificates: server.TLS.Certificates, NextProtos: []string{http3.NextProtoH3}}
}

// quicAcross serves HTTP/3 on one end of a link and connects from the other.
func quicAcross(t *testing.T, link *slowLink, config *tls.Config, client *quic.Config,
	handler http.Handler) (*quicPort, *http3Client) {
	t.Helper()
	socket := quicSocket{conn: simnet.NewSimConn(hubAddress, link)}
	socket.transport = &quic.Transport{Conn: socket.conn}
	var err error
	socket.listener, err = socket.transport.ListenEarly(config, &quic.Config{MaxIdleTimeout: quicIdleTimeout})
	require.NoError(t, err)
	port := &quicPort{
		limiter: &quicLimiter{idleTimeout: idleTimeout},
		server:  &http3.Server{Logger: slog.New(slog.DiscardHandler)},
		sockets: []quicSocket{socket},
	}
	port.serving.Add(quicAcceptors)
	port.countMigrations(func(int) {})
	served := make(chan struct{})
	go func() {
		defer close(served)
		port.serve(handler)
	}()
	conn := simnet.NewSimConn(clientAddress, link)
	from := &quic.Transport{Conn: conn}
	t.Cleanup(func() {
		port.close()
		from.Close()
		conn.Close()
		<-served
	})
	return port, dialHTTP3(t, from, client)
}

// http3Client is a client that sends what a test wants, and ignores what it is asked.
type http3Client struct {
	t       *testing.T
	conn    *quic.Conn
	control *quic.SendStream
	reading sync.WaitGroup
}

func dialHTTP3(t *testing.T, from *quic.Transport, config *quic.Config) *http3Client {
	t.Helper()
	conn, err := from.Dial(t.Context(), hubAddress,
		&tls.Config{InsecureSkipVerify: true, NextProtos: []string{http3.NextProtoH3}}, config)
	require.NoError(t, err)
	client := &http3Client{t: t, conn: conn}
	t.Cleanup(func() {
		conn.CloseWithError(0, "")
		client.reading.Wait()
	})
	client.control, err = conn.OpenUniStream()
	require.NoError(t, err)
	_, err = client.control.Write([]byte{0x00, 0x04, 0x00}) // a control stream with an empty SETTINGS frame
	require.NoError(t, err)
	return client
}

// get sends a request, with a Priority if there is one.
func (c *http3Client) get(priority string) *quic.Stream {
	c.t.Helper()
	// RFC 9204, section 4.5: GET, https and / are in the static table, and the name :authority.
	fields := append([]byte{0, 0, 0xd1, 0xd7, 0xc1, 0x50, 9}, "localhost"...)
	if priority != "" {
		fields = append(append(fields, 0x27, 1), "priority"...)
		fields = append(append(fields, byte(len(priority))), priority...)
	}
	stream, err := c.conn.OpenStreamSync(context.Background())
	require.NoError(c.t, err)
	_, err = stream.Write(append(quicvarint.Append([]byte{0x01}, uint64(len(fields))), fields...))
	require.NoError(c.t, err)
	require.NoError(c.t, stream.Close())
	return stream
}

// updatePriority sends a PRIORITY_UPDATE frame (RFC 9218, section 7.2).
func (c *http3Client) updatePriority(of *quic.Stream, priority string) {
	c.t.Helper()
	id := quicvarint.Append(nil, uint64(of.StreamID()))
	frame := quicvarint.Append(nil, 0xf0700)
	frame = quicvarint.Append(frame, uint64(len(id)+len(priority)))
	_, err := c.control.Write(append(append(frame, id...), priority...))
	require.NoError(c.t, err)
}

// read counts what comes until the stream ends. It reads so many bytes per second; 0: as they come.
func (c *http3Client) read(stream *quic.Stream, received *atomic.Int64, perSecond int) {
	c.reading.Go(func() {
		for buf := make([]byte, 500); ; {
			n, err := stream.Read(buf)
			received.Add(int64(n))
			if err != nil {
				return
			}
			if perSecond > 0 {
				time.Sleep(time.Duration(n) * time.Second / time.Duration(perSecond))
			}
		}
	})
}
