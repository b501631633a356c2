package jetstream

import (
	"crypto/tls"
	"time"

	"github.com/nats-io/nats.go"
)

// Remote describes NATS servers with JetStream that somebody else runs.
type Remote struct {
	URLs  string      // nats:// or tls://, separated by commas
	Creds string      // file with a user's JWT and seed; "": none
	TLS   *tls.Config // "tls://" alone takes the system's certificates; nil: none given
}

// connect connects to the servers, one of which must be there.
func (r *Remote) connect(options ...nats.Option) (*nats.Conn, error) {
	options = append(options, nats.Name("livemap"),
		nats.PingInterval(2*time.Second), nats.MaxPingsOutstanding(2))
	if r.Creds != "" {
		options = append(options, nats.UserCredentials(r.Creds))
	}
	if r.TLS != nil {
		options = append(options, nats.Secure(r.TLS))
	}
	return nats.Connect(r.URLs, options...)
}
