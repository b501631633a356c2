package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// slowConn is read slowly.
type slowConn struct {
	net.Conn
	perSecond int // bytes
}

func (c *slowConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), 1000)])
	time.Sleep(time.Duration(n) * time.Second / time.Duration(c.perSecond))
	return n, err
}

// slowClient makes a client whose connections read so many bytes per second.
func slowClient(t *testing.T, protocol string, perSecond int) *wireClient {
	client := newWireClient(t, protocol, &tls.Config{InsecureSkipVerify: true})
	client.tcp.DialContext = func(_ context.Context, _, address string) (net.Conn, error) {
		return &slowConn{deafConn(t, address), perSecond}, nil
	}
	return client
}

// withFleet starts a hub with more to send to each stream than a slow reader takes in a test.
func withFleet(t *testing.T, args ...string) *runningHub {
	t.Helper()
	hub := startHub(t, append(args, "--drain", "0s")...)
	for i := range 300 {
		hub.publishLines(t, padded(fmt.Sprint("V", i), 4<<10, 1)...)
	}
	return hub
}

// A reader over TCP that takes twice as much as it must (16 KiB in the stall timeout) is not stalled. The
// system has the hub write in bursts of more than that.
func TestSlowReaderOverTCPIsNotStalled(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"h1", "h2"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			hub := withFleet(t, "--stall-timeout", "2s")
			s := slowClient(t, protocol, 16<<10).mustOpen(t, hub.public+"/stream", "")
			for range 40 {
				_, err := s.next()
				require.NoError(t, err)
			}
			assert.Empty(t, hub.log.find("stream closed"))
		})
	}
}

// No stream waits until another on its connection has everything, whatever the priority that the client
// asks for. (Over HTTP/3, TestHTTP3StreamsShareTheirConnection of package listen checks that.)
func TestHTTP2StreamsShareTheirConnection(t *testing.T) {
	t.Parallel()
	hub := withFleet(t)
	client := slowClient(t, "h2", 128<<10)
	events := make(chan int, 100)
	for i := range 3 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, hub.public+"/stream", nil)
		require.NoError(t, err)
		req.Header.Set("Priority", "u=4")
		resp, err := client.http.Do(req)
		require.NoError(t, err)
		t.Cleanup(func() { resp.Body.Close() })
		go func() {
			for buf := make([]byte, 4<<10); ; {
				if _, err := resp.Body.Read(buf); err != nil {
					return
				}
				select {
				case events <- i:
				case <-t.Context().Done():
					return
				}
			}
		}()
	}
	var read [3]int
	for read[0] < 50 || read[1] < 50 || read[2] < 50 {
		read[<-events]++
		require.Less(t, max(read[0], read[1], read[2]), 250, "reads of each stream: %v", read)
	}
}
