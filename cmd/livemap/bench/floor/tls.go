package floor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
)

// tlsConns are TLS connections, written one after the other.
type tlsConns struct {
	net.Listener
	conns []net.Conn
	want  int
}

func listenTLS(streams int) (writers, error) {
	config, err := floorTLS("http/1.1")
	if err != nil {
		return nil, err
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	return &tlsConns{Listener: l, want: streams}, err
}

func (w *tlsConns) address() string { return "https://" + w.Addr().String() }

// accept answers each request; its head is not looked at.
func (w *tlsConns) accept(context.Context) error {
	w.conns = make([]net.Conn, w.want)
	var accepting errgroup.Group
	accepting.SetLimit(atOnce)
	for i := range w.want {
		accepting.Go(func() (err error) {
			if w.conns[i], err = w.Accept(); err != nil {
				return err
			}
			if _, err = w.conns[i].Read(make([]byte, 4<<10)); err != nil {
				return err
			}
			_, err = w.conns[i].Write([]byte(streamHead(false)))
			return err
		})
	}
	return accepting.Wait()
}

func (w *tlsConns) writeAll(p []byte) error {
	for _, conn := range w.conns {
		if _, err := conn.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// floorTLS makes a certificate, for clients that do not look at it.
func floorTLS(proto string) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{proto},
	}, nil
}
