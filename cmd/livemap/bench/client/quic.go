package client

import (
	"context"
	"crypto/tls"
	"net/url"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"livemap/cmd/livemap/bench/floor"
)

// quicConn is a QUIC connection with one stream.
type quicConn struct {
	*quic.Conn
	end func()
}

// Close ends the connection.
func (c *quicConn) Close() error {
	c.end()
	return c.CloseWithError(0, "")
}

func (c *quicConn) wire() int64 { return int64(c.ConnectionStats().BytesReceived) }

func clientQUIC() *quic.Config {
	return &quic.Config{HandshakeIdleTimeout: 30 * time.Second, MaxIdleTimeout: time.Minute}
}

// openH3 opens a stream over HTTP/3.
func openH3(ctx context.Context, o Opening, r *receiver) (connection, error) {
	c := &quicConn{}
	transport := &http3.Transport{TLSClientConfig: clientTLS(), QUICConfig: clientQUIC()}
	transport.Dial = func(
		ctx context.Context, address string, tls *tls.Config, config *quic.Config,
	) (conn *quic.Conn, err error) {
		c.Conn, err = quic.DialAddr(context.WithoutCancel(ctx), address, tls, config)
		return c.Conn, err
	}
	c.end = func() { transport.Close() }
	// The stream outlives its opening.
	streaming, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, cancel)()
	req, err := o.request(streaming)
	if err != nil {
		cancel()
		return nil, err
	}
	resp, err := transport.RoundTrip(req)
	if err == nil {
		err = accept(resp)
	}
	if err != nil {
		cancel()
		transport.Close()
		return nil, err
	}
	if o.Silent {
		r.becameLive()
	}
	go func() {
		defer cancel()
		r.read(resp.Body, o.Buffer)
	}()
	return c, nil
}

// openQUIC opens a bare QUIC stream, on which a floor writes.
func openQUIC(ctx context.Context, o Opening, r *receiver) (connection, error) {
	address, err := url.Parse(o.URL)
	if err != nil {
		return nil, err
	}
	conn, err := quic.DialAddr(ctx, address.Host, clientTLS(floor.ALPN), clientQUIC())
	if err != nil {
		return nil, err
	}
	stream, err := conn.OpenStreamSync(ctx)
	if err == nil {
		_, err = stream.Write([]byte{'\n'})
	}
	if err != nil {
		conn.CloseWithError(0, "")
		return nil, err
	}
	r.becameLive()
	go r.read(stream, o.Buffer)
	return &quicConn{Conn: conn, end: func() {}}, nil
}
