package client

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// handshakeTimeout is how long a hub may take to answer over UDP before the client asks it over
// TCP. A network that blocks UDP does not say so: this is the delay there.
const handshakeTimeout = 1500 * time.Millisecond

// keepAlive is the time between packets on a quiet connection. A hub that was killed and is
// back answers one with a stateless reset (RFC 9000, section 10.3): the client notices that
// before its idle timeout.
const keepAlive = 5 * time.Second

// avoidHTTP3 is how long the client does not try HTTP/3 after it failed where TCP worked.
// Browsers wait five minutes, too.
const avoidHTTP3 = 5 * time.Minute

// quicFirst sends requests over HTTP/3, and over TCP if that fails.
type quicFirst struct {
	quic *http3.Transport
	tcp  *http.Transport

	mu    sync.Mutex
	avoid time.Time // until then, TCP only
}

func newQUIC(tcp *http.Transport) *http3.Transport {
	return &http3.Transport{
		TLSClientConfig: tcp.TLSClientConfig.Clone(),
		QUICConfig: &quic.Config{
			HandshakeIdleTimeout: handshakeTimeout,
			KeepAlivePeriod:      keepAlive,
			MaxIdleTimeout:       3 * keepAlive, // soon after a hub that was killed stops answering
		},
	}
}

// RoundTrip sends a request without a body.
func (t *quicFirst) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.avoided(req) {
		return t.tcp.RoundTrip(req)
	}
	resp, err := t.quic.RoundTrip(req)
	_, reset := errors.AsType[*http3.Error](err)
	if err == nil || reset || req.Context().Err() != nil { // HTTP/3 works, whatever the answer is
		return resp, err
	}
	resp, err = t.tcp.RoundTrip(req)
	if err == nil {
		t.mu.Lock()
		t.avoid = time.Now().Add(avoidHTTP3)
		t.mu.Unlock()
	}
	return resp, err
}

// avoided reports whether to skip HTTP/3: it failed lately, or the request goes through a
// proxy.
func (t *quicFirst) avoided(req *http.Request) bool {
	if t.tcp.Proxy != nil {
		if proxy, err := t.tcp.Proxy(req); proxy != nil || err != nil {
			return true
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Now().Before(t.avoid)
}

// StreamTransport returns a transport for requests without a body, and a function that closes
// its connections. The version of HTTP is "3", "2", "1.1" or "auto": 3 if the hub answers over
// UDP within 1.5 s, otherwise 2 or 1.1. A plaintext address has no HTTP/3.
//
// An error is about a file of the options.
func (o Options) StreamTransport(a Address, version string) (http.RoundTripper, func(), error) {
	tcp, err := o.Transport(a)
	if err != nil {
		return nil, nil, err
	}
	tcp.Protocols = protocols(version)
	if a.base.Scheme == "http" || version == "2" || version == "1.1" {
		return tcp, tcp.CloseIdleConnections, nil
	}
	quic := newQUIC(tcp)
	if version == "3" {
		return quic, func() { quic.Close() }, nil
	}
	return &quicFirst{quic: quic, tcp: tcp}, func() { quic.Close(); tcp.CloseIdleConnections() }, nil
}

// protocols are the versions that version allows over TCP.
func protocols(version string) *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(version != "2")
	p.SetHTTP2(version != "1.1")
	p.SetUnencryptedHTTP2(version == "2")
	return p
}
