//go:build unix

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// ports are sockets that a test opens and passes to hubs, as systemd does.
type ports struct {
	names []string
	files []*os.File
}

// add does not open the socket, which is a value of package net that has a file.
func (p *ports) add(t testing.TB, name string, socket any) *os.File {
	t.Helper()
	file, err := socket.(interface{ File() (*os.File, error) }).File()
	require.NoError(t, err)
	if path, ok := socket.(*net.UnixListener); ok {
		path.SetUnlinkOnClose(false)
	}
	socket.(io.Closer).Close() // the file is a duplicate
	t.Cleanup(func() { file.Close() })
	p.names, p.files = append(p.names, name), append(p.files, file)
	return file
}

// passTo passes the sockets to a command.
func (p *ports) passTo(cmd *exec.Cmd) {
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, fmt.Sprint("LISTEN_FDS=", len(p.files)),
		"LISTEN_FDNAMES="+strings.Join(p.names, ":"))
	cmd.ExtraFiles = p.files
	// The process learns its number from its environment, which only it can know before.
	cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
}

// passedPorts are all ports of a hub.
type passedPorts struct {
	ports
	public, proxy string
	udp           *os.File
}

func openPorts(t testing.TB) *passedPorts {
	t.Helper()
	dir, err := os.MkdirTemp("", "livemap") // the path of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	open := func(network, address string) net.Listener {
		l, err := net.Listen(network, address)
		require.NoError(t, err)
		return l
	}
	p := &passedPorts{proxy: filepath.Join(dir, "proxy.sock")}
	tcp, udp := tcpAndUDP(t)
	p.public = "https://" + tcp.Addr().String()
	p.add(t, "listen", tcp)
	p.udp = p.add(t, "listen", udp)
	p.add(t, "proxy-listen", open("unix", p.proxy))
	p.add(t, "publish-listen", open("tcp", "127.0.0.1:0"))
	return p
}

// tcpAndUDP opens a port number that is free in both.
func tcpAndUDP(t testing.TB) (tcp net.Listener, udp net.PacketConn) {
	t.Helper()
	var err error
	for range 10 {
		tcp, err = net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		if udp, err = net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			return tcp, udp
		}
		tcp.Close()
	}
	require.NoError(t, err)
	return nil, nil
}

// start starts a hub that gets the ports.
func (p *passedPorts) start(t testing.TB, args ...string) *runningHub {
	t.Helper()
	hub := startPrepared(t, p.passTo, args...)
	require.Equal(t, []string{p.public, "unix:" + p.proxy}, []string{hub.public, hub.proxy})
	return hub
}

// waitingUDP reports whether there is an unread datagram.
func (p *passedPorts) waitingUDP(t testing.TB) bool {
	raw, err := p.udp.SyscallConn()
	require.NoError(t, err)
	n := 0
	raw.Control(func(fd uintptr) { n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0) })
	require.NoError(t, err)
	return n > 0
}

// proxyClient makes a client of the proxy port.
func (p *passedPorts) proxyClient(t testing.TB) *wireClient {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", p.proxy)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &wireClient{protocol: "h1", http: &http.Client{Transport: transport}}
}

// Clients that connect while no hub runs wait for the next one, over each protocol. Earlier clients
// come back and hold the correct state.
func TestRestartWithPassedSockets(t *testing.T) {
	t.Parallel()
	p := openPorts(t)
	args := []string{"--state-dir", t.TempDir(), "--journal", "off"}
	hub := p.start(t, args...)
	var waiting sync.WaitGroup
	again := func() *runningHub {
		hub.stop(t)
		for _, protocol := range []string{"h1", "h2", "h3", "proxy"} {
			client, base := p.proxyClient(t), "http://localhost"
			if protocol != "proxy" {
				client, base = hub.client(t, protocol), hub.public
			}
			connected := make(chan struct{})
			ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
				ConnectDone: func(string, string, error) { close(connected) },
			})
			waiting.Go(func() {
				s, err := client.open(ctx, base+"/stream", "")
				if !assert.NoError(t, err, protocol) {
					return
				}
				defer s.close()
				for e := (wireEvent{}); err == nil && e.name != "live"; {
					e, err = s.next()
				}
				assert.NoError(t, err, protocol)
			})
			if protocol == "h3" {
				await(t, "a datagram in the socket", func() bool { return p.waitingUDP(t) })
			} else {
				<-connected
			}
		}
		return p.start(t, args...)
	}
	restarted(t, hub, again)
	waiting.Wait()
}

// Hubs answer every request, each over a connection of its own, while they come and go. That
// includes clients that had connected to a stopping hub and send their request afterwards.
func TestRestartsAnswerEveryone(t *testing.T) {
	t.Parallel()
	p := openPorts(t)
	args := []string{"--state-dir", t.TempDir(), "--drain", "0s"}
	hub := p.start(t, args...)
	first := hub // whose addresses and certificate are those of all
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	var answers atomic.Int64
	ask := func(protocol, method, url string) {
		for ctx.Err() == nil {
			client := first.client(t, protocol)
			r, err := http.NewRequestWithContext(ctx, method, url, nil)
			require.NoError(t, err)
			resp, err := client.http.Do(r)
			if ctx.Err() == nil && assert.NoError(t, err, "%s %s over %s", method, url, protocol) {
				resp.Body.Close()
				answers.Add(1)
			}
			client.disconnect()
		}
	}
	for range 2 {
		asking.Go(func() { ask("h1", "GET", p.public+"/snapshot") })
		asking.Go(func() { ask("h2", "GET", p.public+"/snapshot") })
		asking.Go(func() { ask("h1", "POST", first.publish+"/publish") }) // which is refused, in words
	}
	for range 5 {
		before := answers.Load()
		await(t, "answers", func() bool { return answers.Load() > before+20 })
		hub.stop(t)
		hub = p.start(t, args...)
	}
	cancel()
	asking.Wait()
	t.Logf("%d answers", answers.Load())
}

// The hub accepts sockets only under the names of its flags, and only sockets that suit the flag.
func TestUnsuitablePassedSockets(t *testing.T) {
	t.Parallel()
	tcp := func(t *testing.T) any { return opened(net.Listen("tcp", "127.0.0.1:0"))(t) }
	udp := func(t *testing.T) any { return opened(net.ListenPacket("udp", "127.0.0.1:0"))(t) }
	local := func(t *testing.T) any {
		return opened(net.Listen("unix", filepath.Join(t.TempDir(), "s")))(t)
	}
	connection := func(t *testing.T) any {
		l := opened(net.Listen("tcp", "127.0.0.1:0"))(t)
		t.Cleanup(func() { l.Close() })
		return opened(net.Dial("tcp", l.Addr().String()))(t)
	}
	wide := func(t *testing.T) any { return opened(net.Listen("tcp", ":0"))(t) } // nobody accepts
	type named struct {
		name string
		open func(*testing.T) any
	}
	for name, test := range map[string]struct {
		sockets []named
		says    []string
		args    []string
	}{
		"no name": {[]named{{"", tcp}}, []string{`"LISTEN_FD_3"`,
			"flag it replaces: listen, proxy-listen or publish-listen"}, nil},
		"a wrong name": {[]named{{"proxy-listen", tcp}, {"http", tcp}},
			[]string{`socket 2 from $LISTEN_FDS, named "http"`, "flag it replaces: listen"}, nil},
		"no TCP": {[]named{{"proxy-listen", udp}},
			[]string{`"proxy-listen"`, "--proxy-listen needs a stream socket"}, nil},
		"no connections": {[]named{{"publish-listen", udp}}, []string{"--publish-listen needs a stream socket"},
			nil},
		"only TCP":     {[]named{{"listen", tcp}}, []string{"same port numbers", "and []"}, nil},
		"only UDP":     {[]named{{"listen", udp}}, []string{"same port numbers", "they have []"}, nil},
		"two ports":    {[]named{{"listen", tcp}, {"listen", udp}}, []string{"same port numbers"}, nil},
		"unix":         {[]named{{"listen", local}}, []string{"--listen cannot be a unix socket"}, nil},
		"wide":         {[]named{{"publish-listen", wide}}, []string{"--publish-listen is", "loopback"}, nil},
		"a connection": {[]named{{"listen", connection}}, []string{"Accept=no"}, nil},
		"off":          {[]named{{"listen", tcp}}, []string{"--listen is off"}, []string{"--listen", "off"}},
		"no socket": {[]named{{"listen", func(t *testing.T) any {
			return fileItself{opened(os.Open(os.DevNull))(t)}
		}}}, []string{"must be a socket"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &ports{}
			for _, one := range test.sockets {
				p.add(t, one.name, one.open(t))
			}
			cmd := exec.CommandContext(t.Context(), program,
				append([]string{"serve", "--anonymous", "--state-dir", t.TempDir()}, test.args...)...)
			cmd.Env = os.Environ()
			p.passTo(cmd)
			out, _ := cmd.CombinedOutput()
			assert.Equal(t, 2, cmd.ProcessState.ExitCode(), "%s", out)
			for _, says := range test.says {
				assert.Contains(t, string(out), says)
			}
		})
	}
}

// opened requires that there was no error.
func opened[T any](socket T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		require.NoError(t, err)
		return socket
	}
}

// fileItself is a file where a socket is expected.
type fileItself struct{ io.Closer }

// File returns a duplicate, as sockets do.
func (f fileItself) File() (*os.File, error) {
	fd, err := syscall.Dup(int(f.Closer.(*os.File).Fd()))
	return os.NewFile(uintptr(fd), os.DevNull), err
}

// Sockets for another process, whose environment was inherited, are not the hub's.
func TestSocketsOfAnotherProcess(t *testing.T) {
	t.Parallel()
	hub := startHubUnder(t, []string{"env", "LISTEN_PID=1", "LISTEN_FDS=1", "LISTEN_FDNAMES=listen"})
	hub.client(t, "h2").mustOpen(t, hub.public+"/stream", "").until(t, "live")
}
