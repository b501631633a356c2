// Package client opens event streams over HTTP/1.1, HTTP/2, HTTP/3 and bare QUIC, each on
// a connection of its own, and checks and times every event that arrives.
//
// [Open] returns the [Streams] of a run. A [Check] holds one stream's events against
// those that are due, and counts [Faults]. A [Meter] times the events.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"livemap/cmd/livemap/bench/process"
)

// Protocol is how a stream is read.
type Protocol string

const (
	H1       Protocol = "h1"
	H2       Protocol = "h2"
	H3       Protocol = "h3"
	BareQUIC Protocol = "quic" // a bare QUIC stream, of a floor
)

// connection is one open stream, on a connection of its own.
type connection interface {
	io.Closer
	// wire returns how many bytes the connection received: of TCP segments, or of
	// UDP datagrams.
	wire() int64
}

// Dial opens a connection to an address of host and port.
type Dial func(ctx context.Context, address string) (net.Conn, error)

// Opening is what it takes to open a stream.
type Opening struct {
	URL    string
	Header http.Header // further ones
	// Silent streams do not announce that they are live. They are live as soon as the
	// server has answered.
	Silent bool
	// Buffer is how much is read at once, in bytes.
	Buffer int
	// Dial opens the connection of HTTP/1.1 and HTTP/2; nil is TCP.
	Dial Dial
}

// open opens a stream that r reads.
func (p Protocol) open(ctx context.Context, o Opening, r *receiver) (connection, error) {
	switch p {
	case H1:
		return openH1(ctx, o, r)
	case H2:
		return openH2(ctx, o, r)
	case H3:
		return openH3(ctx, o, r)
	case BareQUIC:
		return openQUIC(ctx, o, r)
	}
	return nil, fmt.Errorf("unknown protocol %q", p)
}

// AtOnce is how many connections are opened at the same time.
func (p Protocol) AtOnce() int {
	if p == H1 {
		return 128
	}
	return 32
}

// clientTLS trusts every server: the hub's certificate is one that it made.
func clientTLS(protos ...string) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, NextProtos: protos, ClientSessionCache: nil}
}

// request makes the request of a stream.
func (o Opening) request(ctx context.Context) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.URL, nil)
	if err != nil {
		return nil, err
	}
	for name, values := range o.Header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "text/event-stream")
	return req, nil
}

// accept checks the answer to a stream's request.
func accept(resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
	return fmt.Errorf("%s: %s", resp.Status, text)
}

// Streams are the open streams of a run.
type Streams struct {
	receivers   []*receiver
	connections []connection
}

// Open opens n streams, so many at once, and waits until all are live. stream returns
// how stream i is opened and what its events are checked for; m times them.
func Open(
	ctx context.Context, p Protocol, n, atOnce int, m *Meter, stream func(i int) (Opening, Check),
) (*Streams, error) {
	return openEach(ctx, n, atOnce, func(ctx context.Context, i int) (connection, *receiver, error) {
		o, c := stream(i)
		r := m.newReceiver(i, c)
		conn, err := p.openLive(ctx, o, r)
		return conn, r, err
	})
}

// openLive opens a stream and waits until it is live.
func (p Protocol) openLive(ctx context.Context, o Opening, r *receiver) (connection, error) {
	c, err := p.open(ctx, o, r)
	if err != nil {
		return nil, err
	}
	if err := r.awaitLive(ctx); err != nil {
		c.Close()
		<-r.ended
		return nil, err
	}
	return c, nil
}

// openEach opens n streams, so many at once.
func openEach(
	ctx context.Context, n, atOnce int, open func(ctx context.Context, i int) (connection, *receiver, error),
) (*Streams, error) {
	if err := enoughFiles(n); err != nil {
		return nil, err
	}
	s := &Streams{receivers: make([]*receiver, n), connections: make([]connection, n)}
	opening, ctx := errgroup.WithContext(ctx)
	opening.SetLimit(atOnce)
	for i := range n {
		opening.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			c, r, err := open(ctx, i)
			if err != nil {
				return fmt.Errorf("stream %d of %d: %w", i+1, n, err)
			}
			s.receivers[i], s.connections[i] = r, c
			return nil
		})
	}
	if err := opening.Wait(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// enoughFiles requires that so many connections can be open at a time, here and in
// the server.
func enoughFiles(connections int) error {
	limit, err := process.OpenFiles()
	others := 100 + int(min(limit/8, 1024)) // which a hub leaves to its internal port
	if err == nil && uint64(connections+others) > limit {
		err = fmt.Errorf(
			"%d connections need %d open files, and the system allows a process %d: "+
				"raise the hard limit (ulimit -Hn)",
			connections, connections+others, limit,
		)
	}
	return err
}

// liveWithin is how long a stream may take until it is live.
const liveWithin = time.Minute

var errNotLive = errors.New("the stream did not become live")

func (r *receiver) awaitLive(ctx context.Context) error {
	limit := time.NewTimer(liveWithin)
	defer limit.Stop()
	select {
	case <-r.live:
		return nil
	case <-r.ended:
		return fmt.Errorf("%w, it ended: %w", errNotLive, r.err)
	case <-limit.C:
		return fmt.Errorf("%w within %v", errNotLive, liveWithin)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// AwaitComplete waits until all streams have got everything or have ended, or the
// limit is over.
func (s *Streams) AwaitComplete(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, r := range s.receivers {
		select {
		case <-r.complete:
		case <-r.ended:
		case <-ctx.Done():
			return
		}
	}
}

// Close closes all streams and waits until nobody reads any more.
func (s *Streams) Close() {
	for _, r := range s.receivers {
		if r != nil {
			r.closing.Store(true)
		}
	}
	var closing errgroup.Group
	closing.SetLimit(16)
	for i, conn := range s.connections {
		if conn == nil {
			continue
		}
		closing.Go(func() error {
			conn.Close()
			<-s.receivers[i].ended
			return nil
		})
	}
	closing.Wait()
}

// Chunked reports whether HTTP/1.1 framed the streams.
func (s *Streams) Chunked() bool { return s.receivers[0].chunked }

// Faults returns the faults of all streams, once they are closed.
func (s *Streams) Faults() (all Faults) {
	for _, r := range s.receivers {
		all.add(r.faults)
	}
	return all
}

// Received counts the events that have arrived, and the bytes of the streams.
func (s *Streams) Received() (events, text int64) {
	for _, r := range s.receivers {
		events += r.received.Load()
		text += r.text.Load()
	}
	return events, text
}

// Wire returns how many bytes the connections received.
func (s *Streams) Wire() (n int64) {
	for _, c := range s.connections {
		n += c.wire()
	}
	return n
}
