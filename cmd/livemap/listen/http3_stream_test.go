package listen

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/api/transport"
)

// quicPair returns a stream that was taken over, and its other end, which accepts up to 16 MiB
// unread.
func quicPair(t *testing.T) (ours *http3Stream, theirs *quic.Stream, client *quic.Conn) {
	t.Helper()
	certificate := httptest.NewTLSServer(http.NotFoundHandler())
	defer certificate.Close()
	config := &tls.Config{Certificates: certificate.TLS.Certificates, NextProtos: []string{"test"}}
	listener, err := quicTransport(t).Listen(config, nil)
	require.NoError(t, err)
	client, err = quicTransport(t).Dial(t.Context(), listener.Addr(),
		&tls.Config{InsecureSkipVerify: true, NextProtos: []string{"test"}},
		&quic.Config{InitialStreamReceiveWindow: 16 << 20, InitialConnectionReceiveWindow: 16 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { client.CloseWithError(0, "") })
	server, err := listener.Accept(t.Context())
	require.NoError(t, err)
	stream, err := server.OpenStream()
	require.NoError(t, err)
	ours = &http3Stream{quic: stream, timeout: transport.WriteTimeout{Stall: testLimit}}
	require.NoError(t, stream.TryWriteAll([]byte{0x21, 0})) // an empty reserved frame opens the other end
	theirs, err = client.AcceptStream(t.Context())
	require.NoError(t, err)
	return ours, theirs, client
}

// quicTransport returns a socket for QUIC. At the test's end it waits until its goroutines have ended, which
// what quic.ListenAddr and quic.DialAddr make does not.
func quicTransport(t *testing.T) *quic.Transport {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	transport := &quic.Transport{Conn: conn}
	t.Cleanup(func() {
		transport.Close()
		conn.Close()
	})
	return transport
}

// put writes p. It waits if need be.
func (s *http3Stream) put(p []byte) (waited bool, err error) {
	waited, err = s.Write(p)
	if err == nil && waited {
		err = s.Wait()
	}
	return waited, err
}

// readFrames reads frames to the end (RFC 9114, section 7.1). It returns the payloads of the DATA
// frames.
func readFrames(r io.Reader) (payloads [][]byte, err error) {
	for in := bufio.NewReader(r); ; {
		kind, err := quicvarint.Read(in)
		if err != nil {
			return payloads, err
		}
		size, err := quicvarint.Read(in)
		if err != nil {
			return payloads, err
		}
		payload := make([]byte, size)
		if _, err := io.ReadFull(in, payload); err != nil {
			return payloads, err
		}
		if kind == dataFrame {
			payloads = append(payloads, payload)
		}
	}
}

// TestHTTP3StreamWritesEverything checks that writes of any size arrive as one DATA frame each, in order.
func TestHTTP3StreamWritesEverything(t *testing.T) {
	ours, theirs, _ := quicPair(t)
	var sent, got [][]byte
	read := make(chan error)
	go func() {
		var err error
		got, err = readFrames(theirs)
		read <- err
	}()
	waits := 0
	sizes := []int{
		1, 63, 64, 4095, transport.MaxWrite - 1, transport.MaxWrite, transport.MaxWrite + 1, 17 << 10, 100 << 10,
	}
	for n := range 300 {
		p := bytes.Repeat([]byte{byte('a' + n%26)}, sizes[n%len(sizes)])
		sent = append(sent, p)
		waited, err := ours.put(p)
		require.NoError(t, err)
		if waited {
			waits++
		}
	}
	require.NoError(t, ours.quic.Close())
	require.Equal(t, io.EOF, <-read)
	require.Len(t, got, len(sent))
	for n := range sent {
		require.True(t, bytes.Equal(sent[n], got[n]), n)
	}
	assert.Less(t, waits, 200, "some have room")
	assert.Greater(t, waits, 20, "some have none")
}

// TestHTTP3StreamWaitsOnlyWhenItsShareIsUsedUp checks that there is room again once all was sent. Else
// one goroutine could not write to all streams.
func TestHTTP3StreamWaitsOnlyWhenItsShareIsUsedUp(t *testing.T) {
	ours, theirs, _ := quicPair(t)
	read := make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(io.Discard, theirs)
	}()
	event, frame := make([]byte, 1000), 1000+len("\x00\x43\xe8")
	for row := range 10 {
		n := 1
		for ; ; n++ {
			waited, err := ours.put(event)
			require.NoError(t, err)
			if waited {
				break
			}
		}
		require.Equal(t, maxUnsent/frame+1, n, "row %d", row)
	}
	require.NoError(t, ours.quic.Close())
	<-read
}

// TestHTTP3StreamReportsThatItsClientIsGone checks clients that leave before OnGone and after.
func TestHTTP3StreamReportsThatItsClientIsGone(t *testing.T) {
	for name, leave := range map[string]func(*quic.Stream, *quic.Conn){
		"cancels": func(s *quic.Stream, _ *quic.Conn) { s.CancelRead(1) },
		"goes":    func(_ *quic.Stream, c *quic.Conn) { c.CloseWithError(0, "") },
	} {
		for _, before := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", before), func(t *testing.T) {
				ours, theirs, client := quicPair(t)
				gone := make(chan struct{})
				if before {
					leave(theirs, client)
					<-ours.quic.Context().Done()
				}
				ours.OnGone(func() { close(gone) }, nil)
				if !before {
					leave(theirs, client)
				}
				select {
				case <-gone:
				case <-time.After(testLimit):
					require.FailNow(t, "OnGone did not call back")
				}
				_, err := ours.put([]byte("data: 1\n\n"))
				require.ErrorIs(t, err, transport.ErrGone)
			})
		}
	}
}
