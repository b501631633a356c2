package listen

import (
	"container/list"
	"net"
	"net/netip"
	"slices"
	"time"
)

const (
	maxIdlePerAddress = 64     // connections without a request from one address
	maxIdleTCP        = 16_384 // TCP connections without a request, in all; one holds 50 KB at most
	maxIdleQUIC       = 8192   // QUIC connections without a request, in all; one holds 0.1 MB at most

	// minIdle is how long a connection may be without a request before a limit can cut it. It is time
	// for a handshake and a request: when many clients come at once, they must not cut each other.
	minIdle = firstRequestTime
)

// An idleConn is a connection that [idleConns] knows.
type idleConn interface {
	// idleEntry returns what idleConns keeps about the connection.
	idleEntry() *idleEntry
	// hasUnread reports whether the client has sent something that the hub has not read yet. The hub
	// is late then, not the client.
	hasUnread() bool
}

// idleEntry is embedded in connections. The owner of the idleConns guards it.
type idleEntry struct {
	address  netip.Prefix // of the client; zero: limits of an address do not apply
	requests int          // under way
	since    time.Time    // when the connection became idle
	all, of  *list.Element
}

// isIdle reports whether the entry is in an idleConns.
func (e *idleEntry) isIdle() bool { return e.all != nil }

// idleConns are the connections on which no request is under way. The longest idle is the first to
// go when there are too many. The zero value is ready to use; it does no locking.
type idleConns struct {
	all list.List // of idleConn, the longest idle first
	of  map[netip.Prefix]*list.List
}

// add adds a connection, or makes it the one that is idle for the shortest time.
func (s *idleConns) add(conn idleConn) {
	e := conn.idleEntry()
	e.since = time.Now()
	if e.isIdle() {
		s.all.MoveToBack(e.all)
		if e.of != nil {
			s.of[e.address].MoveToBack(e.of)
		}
		return
	}
	e.all = s.all.PushBack(conn)
	if !e.address.IsValid() {
		return
	}
	of := s.of[e.address]
	if of == nil {
		if s.of == nil {
			s.of = map[netip.Prefix]*list.List{}
		}
		of = list.New()
		s.of[e.address] = of
	}
	e.of = of.PushBack(conn)
}

// remove removes a connection, if it is there.
func (s *idleConns) remove(conn idleConn) {
	e := conn.idleEntry()
	if !e.isIdle() {
		return
	}
	s.all.Remove(e.all)
	e.all = nil
	if e.of == nil {
		return
	}
	of := s.of[e.address]
	of.Remove(e.of)
	e.of = nil
	if of.Len() == 0 {
		delete(s.of, e.address)
	}
}

// from returns how many idle connections an address has.
func (s *idleConns) from(address netip.Prefix) int {
	if of := s.of[address]; of != nil {
		return of.Len()
	}
	return 0
}

// takeLongest removes and returns the longest idle connection of a list, which is all or one of of.
// Without one that may be cut it returns nil, and how long it will be until there may be one; 0
// where the list is empty. A connection whose client has sent something begins anew.
func (s *idleConns) takeLongest(l *list.List) (conn idleConn, wait time.Duration) {
	for first := l.Front(); first != nil; first = l.Front() {
		conn := first.Value.(idleConn)
		if wait := minIdle - time.Since(conn.idleEntry().since); wait > 0 {
			return nil, wait
		}
		if conn.hasUnread() {
			s.add(conn)
			continue
		}
		s.remove(conn)
		return conn, 0
	}
	return nil, 0
}

// takeOver removes and returns the connections of an address that are over its limit and may be cut.
func (s *idleConns) takeOver(address netip.Prefix) (over []idleConn) {
	for s.from(address) > maxIdlePerAddress {
		conn, _ := s.takeLongest(s.of[address])
		if conn == nil {
			break
		}
		over = append(over, conn)
	}
	return over
}

// takeAllOver is takeOver for all addresses.
func (s *idleConns) takeAllOver() (over []idleConn) {
	for address := range s.of {
		over = append(over, s.takeOver(address)...)
	}
	return over
}

// limitedAddress returns what counts as the address of a client: for IPv6 the prefix that belongs to
// one customer (RFC 6177). It is zero for those that may have any number of connections without a
// request: Unix sockets and trusted proxies.
func limitedAddress(client net.Addr, trusted []netip.Prefix) (of netip.Prefix) {
	var ip netip.Addr
	switch client := client.(type) {
	case *net.TCPAddr:
		ip, _ = netip.AddrFromSlice(client.IP)
	case *net.UDPAddr:
		ip, _ = netip.AddrFromSlice(client.IP)
	}
	ip = ip.Unmap()
	contains := func(network netip.Prefix) bool { return network.Contains(ip) }
	if !ip.IsValid() || slices.ContainsFunc(trusted, contains) {
		return netip.Prefix{}
	}
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	of, _ = ip.Prefix(bits)
	return of
}
