package listen

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// PassedSockets are sockets that a service manager opened for the hub, as systemd does
// (sd_listen_fds(3)). They outlive the hub: between one hub and the next, the system lets new
// clients wait instead of refusing them. Each is named after the flag that it replaces.
//
// The zero PassedSockets has none.
type PassedSockets struct {
	streams map[string][]net.Listener // by flag
	packets []net.PacketConn          // UDP ports of --listen
}

// TakePassed returns the sockets that were passed to this process; none is no error. It may be
// called once in a process. An error is a [ConfigError].
func TakePassed() (p PassedSockets, err error) {
	p.streams = map[string][]net.Listener{}
	for i, file := range activation.Files(true) {
		err := p.take(file)
		file.Close() // take keeps a duplicate
		if err != nil {
			p.Close()
			err = fmt.Errorf("socket %d from $LISTEN_FDS, named %q: %w", i+1, file.Name(), err)
			return p, ConfigError{err}
		}
	}
	return p, nil
}

// take keeps a socket if it is of the kind that its name needs.
func (p *PassedSockets) take(file *os.File) error {
	flag := file.Name()
	if !slices.Contains([]string{"listen", "proxy-listen", "publish-listen"}, flag) {
		return errors.New("its name (FileDescriptorName=) must be that of the flag it replaces: " +
			"listen, proxy-listen or publish-listen")
	}
	listener, err := net.FileListener(file)
	if err == nil {
		p.streams[flag] = append(p.streams[flag], listener)
		if !isListening(listener) {
			return errors.New("it must be a listening socket, not a connection (Accept=no)")
		}
		return nil
	}
	packets, err := net.FilePacketConn(file)
	if err != nil {
		return fmt.Errorf("it must be a socket: %w", cause(err))
	}
	p.packets = append(p.packets, packets)
	if _, ok := packets.(*net.UDPConn); !ok || flag != "listen" {
		return fmt.Errorf("it is a datagram socket (ListenDatagram=); "+
			"--%s needs a stream socket (ListenStream=)", flag)
	}
	return nil
}

// isListening reports whether the socket accepts connections.
func isListening(listener net.Listener) (yes bool) {
	raw, err := listener.(syscall.Conn).SyscallConn()
	if err != nil {
		return false
	}
	raw.Control(func(fd uintptr) {
		value, err := syscall.GetsockoptInt(handle(fd), syscall.SOL_SOCKET, acceptsConnections)
		yes = err == nil && value != 0
	})
	return yes
}

// listeners returns the sockets that replace a flag, with the send buffers that the hub's own
// sockets have.
func (p *PassedSockets) listeners(flag string) ([]net.Listener, error) {
	for _, one := range p.streams[flag] {
		raw, err := one.(syscall.Conn).SyscallConn()
		if err == nil {
			err = tcpSockets.Control(one.Addr().Network(), "", raw)
		}
		if err != nil {
			return nil, err
		}
	}
	return p.streams[flag], nil
}

// Close closes the sockets.
func (p *PassedSockets) Close() {
	for _, listeners := range p.streams {
		closeAll(listeners)
	}
	closeAll(p.packets)
}

// Place replaces addresses by the sockets named after them, and checks these by the same rules.
// An error is a [ConfigError].
func (c *Config) Place(p PassedSockets) error {
	c.passed = p
	public := len(p.streams["listen"])+len(p.packets) > 0
	if public && c.Public.IsOff() {
		return ConfigError{errors.New("--listen is off, but a socket named listen was passed: " +
			"stop its socket unit, or do not set --listen")}
	}
	for flag, address := range map[string]*Address{
		"listen": &c.Public, "proxy-listen": &c.Proxy, "publish-listen": &c.Internal,
	} {
		for _, one := range p.streams[flag] {
			*address = Address{one.Addr().Network(), one.Addr().String()}
			if err := c.Validate(); err != nil {
				return ConfigError{fmt.Errorf("the passed socket named %s: %w", flag, err)}
			}
		}
	}
	return p.checkPorts()
}

// checkPorts reports a port of --listen that has TCP or UDP alone: HTTP/3 is advertised on the
// port number of TCP.
func (p *PassedSockets) checkPorts() error {
	tcp, udp := map[int]bool{}, map[int]bool{}
	for _, one := range p.streams["listen"] {
		tcp[one.Addr().(*net.TCPAddr).Port] = true
	}
	for _, one := range p.packets {
		udp[one.LocalAddr().(*net.UDPAddr).Port] = true
	}
	if maps.Equal(tcp, udp) {
		return nil
	}
	return ConfigError{fmt.Errorf("the passed sockets named listen must have the same "+
		"port numbers for TCP (ListenStream=) and UDP (ListenDatagram=), for HTTP/3; they have %v and %v",
		slices.Sorted(maps.Keys(tcp)), slices.Sorted(maps.Keys(udp)))}
}
