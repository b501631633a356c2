//go:build faults && linux

package e2e

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// otherProxy is a proxy that deploy/PROXIES.md has lines for.
type otherProxy struct {
	name   string   // of its program in Debian; it begins with the language of its block
	group  string   // as whom it runs there
	args   []string // of the program; CONFIG is its configuration, DIR a folder of its own
	before string   // what stands before the lines of the page

	away  int  // status of an answer while no hub runs; 0: the proxy holds requests
	noVia bool // it does not name the client's version of HTTP
}

var otherProxies = []otherProxy{
	{name: "nginx", group: "www-data", args: []string{"-p", "DIR", "-c", "CONFIG"}, away: http.StatusBadGateway,
		before: "daemon off; user www-data; pid DIR/pid; error_log stderr;\n"},
	{name: "haproxy", group: "haproxy", args: []string{"-db", "-f", "CONFIG"}},
	{name: "apache2", group: "www-data", args: []string{"-d", "DIR", "-f", "CONFIG", "-DFOREGROUND"},
		away: http.StatusServiceUnavailable,
		before: modules("mpm_event", "authz_core", "headers", "http2", "proxy", "proxy_http", "ssl") +
			"ErrorLog /dev/stderr\nPidFile DIR/pid\nServerName localhost\nListen 443\n" +
			"User www-data\nGroup www-data\n"},
	{name: "lighttpd", group: "www-data", args: []string{"-D", "-f", "CONFIG"},
		away: http.StatusServiceUnavailable, before: "server.document-root = \"DIR\"\n", noVia: true},
}

func modules(names ...string) (lines string) {
	for _, name := range names {
		lines += "LoadModule " + name + "_module /usr/lib/apache2/modules/mod_" + name + ".so\n"
	}
	return lines
}

// runningProxy is a proxy that runs, in front of a hub.
type runningProxy struct {
	otherProxy
	base  string // https://127.0.0.1:PORT
	dir   string
	lines string // its configuration
	log   *hubLog
	cmd   *exec.Cmd
	ended chan struct{}
}

// proxyTCP is the hub's address for a proxy that takes no unix socket.
const proxyTCP = "127.0.0.1:8080"

// proxyPort finds where the lines of the page say 443.
var proxyPort = regexp.MustCompile(`(listen |:|server.port = |Listen )443\b`)

// startOtherProxy runs a proxy with lines of configuration until the test is over.
func startOtherProxy(t *testing.T, o otherProxy, dir, lines string) *runningProxy {
	t.Helper()
	address := freePort(t)
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	p := &runningProxy{otherProxy: o, base: "https://" + address, dir: dir}
	certificate, key := makePair(t, "localhost")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "map.pem"), slices.Concat(certificate, key), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "map.key"), key, 0o644))
	lines = proxyPort.ReplaceAllString(o.before+lines, "${1}"+port)
	paths := strings.NewReplacer("DIR", dir, "/run/livemap/proxy.sock", hubSocket(dir), "/etc/ssl", dir)
	p.lines = paths.Replace(lines)
	t.Cleanup(func() {
		p.kill(t)
		if t.Failed() {
			t.Logf("last log lines of %s:\n%s", p.name, p.log.tail(20))
		}
	})
	p.start(t)
	return p
}

// start starts the proxy, again if it was killed, and waits until it serves.
func (p *runningProxy) start(t *testing.T) {
	t.Helper()
	config := filepath.Join(p.dir, "config")
	require.NoError(t, os.WriteFile(config, []byte(p.lines), 0o644))
	args := slices.Clone(p.args)
	for i := range args {
		args[i] = strings.NewReplacer("CONFIG", config, "DIR", p.dir).Replace(args[i])
	}
	p.log, p.ended = &hubLog{grown: make(chan struct{})}, make(chan struct{})
	p.cmd = exec.Command(p.name, args...)
	p.cmd.Stderr, p.cmd.Stdout = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	require.NoError(t, p.cmd.Start())
	go func(cmd *exec.Cmd, ended chan struct{}) {
		defer close(ended)
		cmd.Wait()
	}(p.cmd, p.ended)
	client := newWireClient(t, "h1", &tls.Config{InsecureSkipVerify: true})
	defer client.disconnect()
	await(t, p.name+" to serve", func() bool {
		select {
		case <-p.ended:
			require.FailNow(t, p.name+" did not start", "%s", p.log.tail(20))
		default:
		}
		resp, err := client.http.Get(p.base + "/openapi.yaml")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// kill ends the proxy and its processes as kill -9 does.
func (p *runningProxy) kill(t *testing.T) {
	t.Helper()
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

// proxyLines returns the lines of deploy/PROXIES.md for a proxy.
func proxyLines(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docsRoot, "deploy", "PROXIES.md"))
	require.NoError(t, err)
	for _, block := range parseDocument("deploy/PROXIES.md", string(text)).blocks {
		if strings.HasPrefix(name, block.language) { // apache2 is Debian's name for Apache's program
			return block.text
		}
	}
	require.FailNow(t, "deploy/PROXIES.md has no lines", "for %s", name)
	return ""
}

// eachOtherProxy runs a test behind each proxy that is installed.
func eachOtherProxy(t *testing.T, lines func(t *testing.T, name string) string, flags []string,
	test func(t *testing.T, hub *proxiedHub, p *runningProxy), only ...string) {
	for _, o := range otherProxies {
		if len(only) > 0 && !slices.Contains(only, o.name) {
			continue
		}
		t.Run(o.name, func(t *testing.T) {
			if _, err := exec.LookPath(o.name); err != nil {
				require.NotEqual(t, "true", os.Getenv("CI"), "CI must have %s", o.name)
				t.Skip("needs ", o.name, ": ", err)
			}
			hub := &proxiedHub{dir: socketDir(t), args: flags, publish: freePort(t), group: o.group}
			text := lines(t, o.name)
			if strings.Contains(text, proxyTCP) {
				address := freePort(t)
				hub.args = append(slices.Clone(flags), "--proxy-listen", address)
				text = strings.ReplaceAll(text, proxyTCP, address)
			}
			hub.start(t)
			test(t, hub, startOtherProxy(t, o, hub.dir, text))
		})
	}
}

func (p *runningProxy) client(t testing.TB, protocol string) *wireClient {
	return newWireClient(t, protocol, &tls.Config{InsecureSkipVerify: true})
}

// TestFaultProxies runs the lines of deploy/PROXIES.md. Streams pass at once, as they are and over each
// version of HTTP.
func TestFaultProxies(t *testing.T) {
	eachOtherProxy(t, proxyLines, nil, func(t *testing.T, hub *proxiedHub, p *runningProxy) {
		for _, protocol := range protocolNames[:2] {
			client := p.client(t, protocol)
			for _, path := range []string{"/publish", "/metrics", "/debug/pprof/", "/healthz", "/readyz"} {
				resp, text := client.ask(t, "GET", p.base+path)
				assert.Equal(t, http.StatusNotFound, resp.StatusCode, "%s: %s", path, text)
			}
			s := client.mustOpen(t, p.base+"/stream", "")
			assert.Equal(t, "no-store, no-transform", s.header.Get("Cache-Control"))
			assert.Empty(t, s.header.Get("Content-Encoding"))
			events := s.until(t, "live")
			live, err := decode[liveData](events[len(events)-1].data)
			require.NoError(t, err)
			want := protocol
			if p.noVia {
				want = "h1"
			}
			assert.Equal(t, want, live.Protocol)
			var delays []time.Duration
			for n := range 20 {
				began := time.Now()
				hub.publishLines(t, fmt.Sprintf(`{"vehicle_id":"%s","lat":1,"lon":1,"timestamp":%d}`, protocol,
					1_700_000_000+n))
				s.until(t, "")
				delays = append(delays, time.Since(began))
			}
			t.Logf("%s, from publish to event: %s", protocol, spread(delays))
			s.close()
		}
	})
}

// TestFaultForgedAddressBehindProxies sends what a client may write into headers: the hub learns the
// address from the proxy, and has nothing to warn of.
func TestFaultForgedAddressBehindProxies(t *testing.T) {
	eachOtherProxy(t, proxyLines, trustOneAddress,
		func(t *testing.T, hub *proxiedHub, p *runningProxy) {
			for _, header := range forgedAddresses {
				opened := openForged(t, hub.runningHub, p.base, header)
				assert.Equal(t, "127.0.0.9", opened["client"], "%s: %s", header[0], header[1])
			}
			assert.Empty(t, hub.log.find(proxyWarning))
		})
}

// TestFaultBareProxies runs proxies as who forgets X-Forwarded-For configures them: clients choose their
// address, and the hub warns as soon as it can.
func TestFaultBareProxies(t *testing.T) {
	bare := regexp.MustCompile(`(?m)^.*(X-Forwarded-For|forwardfor).*\n`)
	lines := func(t *testing.T, name string) string { return bare.ReplaceAllString(proxyLines(t, name), "") }
	eachOtherProxy(t, lines, trustOneAddress,
		func(t *testing.T, hub *proxiedHub, p *runningProxy) {
			forged := openForged(t, hub.runningHub, p.base, [2]string{"X-Forwarded-For", "203.0.113.7, 203.0.113.8"})
			if p.name == "nginx" || p.name == "haproxy" {
				assert.Equal(t, "203.0.113.8", forged["client"])
			} else {
				assert.Equal(t, "127.0.0.9", forged["client"], "it adds the address by itself")
			}
			assert.Len(t, hub.log.find(proxyWarning), 1)
		})
}

// trustOneAddress trusts the proxy's address alone. All of loopback is trusted by default, and would never
// be reported as a client's address.
var trustOneAddress = []string{"--trusted-proxy", "127.0.0.1/32"}

const proxyWarning = "the proxy passes on the X-Forwarded-For that clients send"

// TestFaultRestartsBehindProxies restarts the hub behind each proxy, and then the proxy. Readers come back
// and miss nothing. While no hub runs, the proxy answers as the page says.
func TestFaultRestartsBehindProxies(t *testing.T) {
	eachOtherProxy(t, proxyLines, nil, func(t *testing.T, hub *proxiedHub, p *runningProxy) {
		book := &ledger{vehicles: 20, prefix: "V"}
		book.publish(t, hub.current())
		stop := book.publishEvery(t, hub.current, 100*time.Millisecond)
		var readers []*ledgerReader
		for i := range 6 {
			readers = append(readers, book.follow(t, p.client(t, protocolNames[i%2]), p.base+"/stream",
				func(r *ledgerReader) { r.obedient = true }))
		}
		back := func(outages int) {
			t.Helper()
			for _, r := range readers {
				r.await(t, "live again", func(c ledgerCounts) bool {
					return len(c.outages) == outages && !c.outages[outages-1].back.IsZero()
				})
			}
		}

		hub.stop(t)
		status := make(chan int, 1)
		client := p.client(t, "h1")
		go func() {
			resp, err := client.http.Get(p.base + "/snapshot")
			if assert.NoError(t, err) {
				resp.Body.Close()
				status <- resp.StatusCode
			}
		}()
		if p.away != 0 {
			assert.Equal(t, p.away, <-status)
		}
		<-time.After(8 * time.Second) // which is the fault
		began := time.Now()
		hub.start(t)
		if p.away == 0 {
			assert.Equal(t, http.StatusOK, <-status)
		}
		back(1)
		t.Logf("all were live %s after the hub began to start", time.Since(began).Round(10*time.Millisecond))
		for _, r := range readers {
			c := r.counts()
			assert.Equal(t, p.away != 0, c.refused > 0, "over %s: %+v", r.client.protocol, c)
		}

		began = time.Now()
		p.kill(t)
		await(t, "the hub to notice", func() bool { return hub.openStreams(t) == 0 })
		p.start(t)
		back(2)
		t.Logf("all were live %s after the proxy was killed", time.Since(began).Round(10*time.Millisecond))
		stop()
		book.settle(t, hub.current(), readers...)
		for _, r := range readers {
			assert.Equal(t, 1, r.counts().lives["replay"], "over %s: %+v", r.client.protocol, r.counts())
		}
	})
}

// TestFaultCrowdBehindProxies has 600 readers over HTTP/1.1, more than nginx and Apache take as they come.
func TestFaultCrowdBehindProxies(t *testing.T) {
	const crowd = 600
	eachOtherProxy(t, proxyLines, nil, func(t *testing.T, hub *proxiedHub, p *runningProxy) {
		book := &ledger{vehicles: 2, prefix: "V"}
		book.publish(t, hub.current())
		client := p.client(t, "h1")
		began := time.Now()
		var readers []*ledgerReader
		for range crowd {
			readers = append(readers, book.begin(t, client, p.base+"/stream"))
		}
		for _, r := range readers {
			r.await(t, "live", func(c ledgerCounts) bool { return len(c.lives) > 0 })
		}
		t.Logf("%d readers were live after %s", crowd, time.Since(began).Round(10*time.Millisecond))
		book.settle(t, hub.current(), readers...)
	})
}
