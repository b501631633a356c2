package client

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
)

// countedConn counts what it receives.
type countedConn struct {
	net.Conn
	bytes atomic.Int64
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

func (c *countedConn) wire() int64 { return c.bytes.Load() }

func (d Dial) counted(ctx context.Context, address string) (*countedConn, error) {
	if d == nil {
		d = dialTCP
	}
	conn, err := d(ctx, address)
	if err != nil {
		return nil, err
	}
	return &countedConn{Conn: conn}, nil
}

func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	// A reset leaves nothing in TIME_WAIT, of which there is room for some 28,000.
	conn.(*net.TCPConn).SetLinger(0)
	return conn, nil
}

// openH1 opens a stream over HTTP/1.1, with TLS if the URL says so.
func openH1(ctx context.Context, o Opening, r *receiver) (connection, error) {
	req, err := o.request(ctx)
	if err != nil {
		return nil, err
	}
	tcp, err := o.Dial.counted(ctx, hostPort(req.URL))
	if err != nil {
		return nil, err
	}
	conn := net.Conn(tcp)
	if req.URL.Scheme == "https" {
		conn = tls.Client(tcp, clientTLS("http/1.1"))
	}
	head := bufio.NewReader(conn)
	resp, err := exchange(ctx, conn, head, req)
	if err != nil {
		tcp.Close()
		return nil, err
	}
	body := io.Reader(resp.Body)
	if len(resp.TransferEncoding) > 0 {
		r.chunked, body = true, newChunkedBody(head, conn)
	}
	if o.Silent {
		r.becameLive()
	}
	go r.read(body, o.Buffer)
	return tcp, nil
}

// exchange writes a request and reads the head of its answer.
func exchange(
	ctx context.Context, conn net.Conn, head *bufio.Reader, req *http.Request,
) (*http.Response, error) {
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(head, req)
	if err != nil {
		return nil, err
	}
	return resp, accept(resp)
}

func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}

// h2Conn is an HTTP/2 connection with one stream.
type h2Conn struct {
	*countedConn
	cancel    context.CancelFunc
	transport *http.Transport
}

// Close ends the stream and its connection.
func (c *h2Conn) Close() error {
	c.cancel()
	c.transport.CloseIdleConnections()
	return c.countedConn.Close()
}

// openH2 opens a stream over HTTP/2: with TLS, or with prior knowledge without.
func openH2(ctx context.Context, o Opening, r *receiver) (connection, error) {
	c := &h2Conn{transport: &http.Transport{Protocols: new(http.Protocols)}}
	c.transport.Protocols.SetHTTP2(true)
	c.transport.Protocols.SetUnencryptedHTTP2(true)
	c.transport.DialContext = func(ctx context.Context, _, address string) (conn net.Conn, err error) {
		c.countedConn, err = o.Dial.counted(ctx, address)
		return c.countedConn, err
	}
	c.transport.TLSClientConfig = clientTLS()
	// The stream outlives its opening.
	streaming, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.cancel = cancel
	defer context.AfterFunc(ctx, cancel)()
	req, err := o.request(streaming)
	if err != nil {
		return nil, err
	}
	resp, err := c.transport.RoundTrip(req)
	if err == nil {
		err = accept(resp)
	}
	if err != nil {
		cancel()
		c.transport.CloseIdleConnections()
		return nil, err
	}
	if o.Silent {
		r.becameLive()
	}
	go r.read(resp.Body, o.Buffer)
	return c, nil
}
