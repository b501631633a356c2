package e2e

import (
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// udpRelay stands between QUIC clients and a hub, as a NAT does: to the hub, each
// client has an address of the relay's.
type udpRelay struct {
	address string // for clients
	hub     *net.UDPAddr
	front   *net.UDPConn
	running sync.WaitGroup

	// pass, unless nil, passes a datagram on as often, when and if it likes.
	pass func(up bool, datagram []byte, send func([]byte))

	mu    sync.Mutex
	backs map[string]*net.UDPConn // to the hub, by the client's address
	ended bool
}

// relayTo relays to a hub's public port until the test is over.
func relayTo(t testing.TB, public string, pass func(up bool, datagram []byte, send func([]byte))) *udpRelay {
	t.Helper()
	hub, err := net.ResolveUDPAddr("udp", strings.TrimPrefix(public, "https://"))
	require.NoError(t, err)
	front, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	front.SetReadBuffer(7 << 20) // room for bursts, as far as the system allows
	front.SetWriteBuffer(7 << 20)
	r := &udpRelay{address: front.LocalAddr().String(), hub: hub, front: front, backs: map[string]*net.UDPConn{},
		pass: pass}
	if pass == nil {
		r.pass = func(_ bool, datagram []byte, send func([]byte)) { send(datagram) }
	}
	r.running.Go(r.upward)
	t.Cleanup(func() {
		front.Close()
		r.rebind()
		r.mu.Lock()
		r.ended = true
		r.mu.Unlock()
		r.rebind()
		r.running.Wait()
	})
	return r
}

// rebind returns every client another address, as a NAT does that has forgotten
// them. The old ones are no more.
func (r *udpRelay) rebind() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, back := range r.backs {
		back.Close()
	}
	clear(r.backs)
}

func (r *udpRelay) upward() {
	buf := make([]byte, 64<<10)
	for {
		n, client, err := r.front.ReadFromUDP(buf)
		if err != nil {
			return
		}
		if back := r.back(client); back != nil {
			r.pass(true, buf[:n], func(p []byte) { back.Write(p) })
		}
	}
}

// back returns the socket that stands for a client; nil when the relay has ended.
func (r *udpRelay) back(client *net.UDPAddr) *net.UDPConn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if back := r.backs[client.String()]; back != nil || r.ended {
		return back
	}
	back, err := net.DialUDP("udp", nil, r.hub)
	if err != nil {
		return nil
	}
	back.SetReadBuffer(7 << 20)
	back.SetWriteBuffer(7 << 20)
	r.backs[client.String()] = back
	r.running.Go(func() { r.downward(back, client) })
	return back
}

func (r *udpRelay) downward(back *net.UDPConn, client *net.UDPAddr) {
	buf := make([]byte, 64<<10)
	for {
		n, err := back.Read(buf)
		if err != nil {
			return
		}
		r.pass(false, buf[:n], func(p []byte) { r.front.WriteToUDP(p, client) })
	}
}
