//go:build faults && linux

package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Addresses of the hub and of clients in a network of their own.
const (
	hubHost    = "10.77.0.1"
	clientHost = "10.77.0.2"
	otherHost  = "10.77.0.3"
)

// cable is two network namespaces with a cable between them: the hub's, and
// that of its clients.
type cable struct{ hub, clients string }

// newCable lays one until the test is over.
func newCable(t *testing.T) cable {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT TESTED: network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("NOT TESTED: there is no ip (iproute2)")
	}
	n := cable{fmt.Sprintf("lmh%d-%d", os.Getpid(), len(t.Name())),
		fmt.Sprintf("lmc%d-%d", os.Getpid(), len(t.Name()))}
	for _, name := range []string{n.hub, n.clients} {
		ip(t, "netns", "add", name)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", name).Run() })
		ip(t, "-n", name, "link", "set", "lo", "up")
	}
	ip(t, "-n", n.hub, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", n.clients)
	ip(t, "-n", n.hub, "addr", "add", hubHost+"/24", "dev", "cable")
	ip(t, "-n", n.clients, "addr", "add", clientHost+"/24", "dev", "cable")
	n.plug(t, "up")
	ip(t, "-n", n.hub, "link", "set", "cable", "up")
	return n
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	require.NoError(t, err, "ip %v: %s", args, out)
}

// plug sets the clients' end up or down.
func (n cable) plug(t *testing.T, state string) {
	t.Helper()
	ip(t, "-n", n.clients, "link", "set", "cable", state)
}

// startHub runs a hub in its namespace.
func (n cable) startHub(t *testing.T, args ...string) *runningHub {
	t.Helper()
	return startHubUnder(t, []string{"ip", "netns", "exec", n.hub}, append([]string{
		"--listen", hubHost + ":4433", "--proxy-listen", hubHost + ":8080", "--publish-listen",
		"unix:" + filepath.Join(t.TempDir(), "s")}, args...)...)
}

// among does something as one of the clients does: sockets that it opens are in
// their namespace, and stay there.
func (n cable) among(what func() error) error {
	runtime.LockOSThread() // a thread that cannot be taken back ends with its goroutine
	ours, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer ours.Close()
	theirs, err := os.Open("/run/netns/" + n.clients)
	if err != nil {
		return err
	}
	defer theirs.Close()
	if err := unix.Setns(int(theirs.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	failed := what()
	if err := unix.Setns(int(ours.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	runtime.UnlockOSThread()
	return failed
}

func (n cable) socket(t *testing.T, address string) (socket net.PacketConn) {
	t.Helper()
	require.NoError(t, n.among(func() (err error) {
		socket, err = net.ListenPacket("udp4", address)
		return err
	}))
	return socket
}

// client makes a client that connects from the clients' namespace.
func (n cable) client(t *testing.T, protocol string) *wireClient {
	t.Helper()
	client := newWireClient(t, protocol, &tls.Config{InsecureSkipVerify: true})
	if client.tcp != nil {
		client.tcp.DialContext = func(ctx context.Context, network, address string) (conn net.Conn, err error) {
			err = n.among(func() error {
				conn, err = client.dial(ctx, network, address)
				return err
			})
			return conn, err
		}
		return client
	}
	socket := n.socket(t, "0.0.0.0:0")
	transport := &quic.Transport{Conn: socket}
	t.Cleanup(func() { transport.Close(); socket.Close() })
	client.quic.Dial = func(ctx context.Context, address string, config *tls.Config,
		settings *quic.Config) (*quic.Conn, error) {
		to, err := net.ResolveUDPAddr("udp", address)
		if err != nil {
			return nil, err
		}
		return transport.Dial(ctx, to, config, settings)
	}
	return client
}

// F5: the cable of some clients is pulled. The hub hears nothing of it, and lets
// go of their streams. When it is plugged in again they come back.
func TestFaultHalfOpen(t *testing.T) {
	t.Parallel()
	n := newCable(t)
	hub := n.startHub(t, "--heartbeat", "30s") // so that no write tells it
	book := &ledger{vehicles: 10, prefix: "V"}
	book.publish(t, hub)
	readers := []*ledgerReader{book.follow(t, n.client(t, "h1"), hub.proxy+"/stream")}
	for _, protocol := range protocolNames {
		readers = append(readers, book.follow(t, n.client(t, protocol), hub.public+"/stream"))
	}
	book.publish(t, hub)
	require.Equal(t, float64(len(readers)), hub.openStreams(t))
	n.plug(t, "down")
	pulled := time.Now()
	book.publish(t, hub)
	for open := len(readers); open > 0; {
		await(t, "streams to be gone", func() bool { return hub.openStreams(t) < float64(open) })
		open = int(hub.openStreams(t))
		t.Logf("%d left after %s", open, time.Since(pulled).Round(100*time.Millisecond))
	}
	require.Less(t, time.Since(pulled), 45*time.Second, "what the contract promises")
	require.Len(t, hub.log.find("stream closed", "reason", "client"), len(readers))
	n.plug(t, "up")
	plugged := time.Now()
	book.settle(t, hub, readers...)
	t.Logf("all were right %s after the cable was back", time.Since(plugged).Round(100*time.Millisecond))
}

// F8: a laptop changes its address, and does so by itself or without knowing.
func TestFaultAddressChanges(t *testing.T) {
	t.Parallel()
	n := newCable(t)
	hub := n.startHub(t)
	book := &ledger{vehicles: 20, prefix: "V"}
	book.publish(t, hub)
	active, conn := quicOn(t, hub, n.socket(t, clientHost+":0"))
	readers := []*ledgerReader{book.follow(t, active, hub.public+"/stream"),
		book.follow(t, n.client(t, "h3"), hub.public+"/stream")}
	stop := book.publishEvery(t, func() *runningHub { return hub }, 10*time.Millisecond)
	ip(t, "-n", n.clients, "addr", "add", otherHost+"/24", "dev", "cable")
	moveTo(t, conn, n.socket(t, otherHost+":0"))
	changed, before := time.Now(), [2]int{readers[0].counts().events, readers[1].counts().events}
	ip(t, "-n", n.clients, "addr", "del", clientHost+"/24", "dev", "cable")
	// The last address of a network takes its others with it, which were added to it.
	exec.Command("ip", "-n", n.clients, "addr", "add", otherHost+"/24", "dev", "cable").Run()
	for i, r := range readers {
		r.await(t, "positions", func(c ledgerCounts) bool { return c.events > before[i]+1000 })
		t.Logf("reader %d has a thousand positions more %s after the address went", i,
			time.Since(changed).Round(time.Millisecond))
	}
	await(t, "moves to be counted", func() bool { return hub.metric(t, migrationsMetric) == 2 })
	stop()
	book.settle(t, hub, readers...)
	for _, r := range readers {
		require.Equal(t, 1, r.counts().opened, "on one connection all the time")
	}
}

// F7: clients over HTTP/3 are killed, or nothing of them arrives any more. One has no
// idle timeout to speak of: of those that both sides name the shorter one holds.
func TestFaultClientVanishes(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--drain", "0s")
	var tails []*exec.Cmd
	for range 3 {
		tail := exec.Command(program, "tail", "--insecure", hub.public)
		require.NoError(t, tail.Start())
		t.Cleanup(func() { tail.Process.Kill(); tail.Wait() })
		tails = append(tails, tail)
	}
	var mute atomic.Bool
	relay := relayTo(t, hub.public, func(_ bool, datagram []byte, send func([]byte)) {
		if !mute.Load() {
			send(datagram)
		}
	})
	patient := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		QUICConfig: &quic.Config{MaxIdleTimeout: time.Hour}}
	t.Cleanup(func() { patient.Close() })
	resp, err := (&http.Client{Transport: patient}).Get("https://" + relay.address + "/stream")
	require.NoError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	open := func() float64 { return hub.metric(t, `livemap_streams_open{protocol="h3"}`) }
	await(t, "the clients", func() bool { return open() == 4 })
	goroutines := hub.metric(t, "go_goroutines")
	mute.Store(true)
	for _, tail := range tails {
		require.NoError(t, tail.Process.Kill())
	}
	killed := time.Now()
	await(t, "the streams to be gone", func() bool { return open() == 0 })
	took := time.Since(killed)
	t.Logf("gone after %s; %v goroutines, %v before", took.Round(100*time.Millisecond),
		hub.metric(t, "go_goroutines"), goroutines)
	require.Less(t, took, 90*time.Second)
}
