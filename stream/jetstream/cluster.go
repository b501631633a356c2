package jetstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"livemap/stream"
)

// clusterName is what the servers of a cluster call it. They refuse those of another.
const clusterName = "livemap"

// askAgain is how often a server asks for the stream until enough of its cluster are there.
// askLimit is how long one answer may take.
const (
	askAgain = 250 * time.Millisecond
	askLimit = 3 * time.Second
)

// Cluster makes the servers of three or five hubs one. Each of them has all messages. The journal takes
// messages while more than half of them are connected to each other.
type Cluster struct {
	Node      string      // name of this server, which it keeps for ever and no other has
	Listen    string      // host:port for the other servers
	Advertise string      // host:port at which they reach it; "": Listen
	Peers     []string    // host:port of each of the other servers
	TLS       *tls.Config // of both ends of a connection between servers; nil: plaintext
}

// size returns how many servers the cluster has.
func (c *Cluster) size() int { return 1 + len(c.Peers) }

// configure sets the options of a server of the cluster.
func (c *Cluster) configure(o *server.Options) error {
	host, port, err := splitAddress(c.Listen)
	if err != nil {
		return err
	}
	o.ServerName = c.Node
	// A server of a cluster has to listen for clients too. Its only user is this process.
	o.Host, o.Port = "127.0.0.1", server.RANDOM_PORT
	o.Cluster = server.ClusterOpts{
		Name: clusterName, Host: host, Port: port, Advertise: c.Advertise, TLSConfig: c.TLS, TLSTimeout: 5,
		PingInterval: 2 * time.Second, MaxPingsOut: 2, ConnectBackoff: true,
	}
	for _, peer := range c.Peers {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: peer})
	}
	return nil
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil {
		return "", 0, fmt.Errorf("%q is not host:port", address)
	}
	return host, port, nil
}

// connected returns the names of the other servers that are connected.
func (e *engine) connected() (names []string) {
	if routes, err := e.server.Routez(nil); err == nil {
		for _, r := range routes.Routes {
			names = append(names, r.RemoteName)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Missing says which servers of the cluster are not connected. It is "" when all are, or when there is no
// cluster.
func (j *Journal) Missing() string {
	c := j.config.Cluster
	engine, err := j.current()
	if c == nil || err != nil {
		return ""
	}
	names := engine.connected()
	missing := len(c.Peers) - len(names)
	if missing <= 0 {
		return ""
	}
	text := fmt.Sprintf("%d of the %d other hubs (%s) not connected", missing, len(c.Peers),
		strings.Join(c.Peers, ", "))
	if len(names) > 0 {
		text += "; " + strings.Join(names, ", ") + " connected"
	}
	return text
}

// waitForStream opens the stream, or makes it, as soon as enough of the cluster are there.
func (j *Journal) waitForStream(ctx context.Context, engine *engine) (life, error) {
	why := "no answer yet"
	for {
		if missing := j.Missing(); missing != "" {
			why = missing
		}
		if j.config.Waiting != nil {
			j.config.Waiting(why)
		}
		try, cancel := context.WithTimeout(ctx, askLimit)
		l, err := engine.openStream(try, j.config)
		cancel()
		if final := (*finalError)(nil); err == nil || errors.As(err, &final) || ctx.Err() != nil {
			return l, err
		}
		j.log.Debug("the journal is not there yet", "error", err)
		why = err.Error()
		select {
		case <-ctx.Done():
			return life{}, ctx.Err()
		case <-time.After(askAgain):
		}
	}
}

// finalError is an error that does not go away by waiting.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

// Renew gives the journal of several hubs another epoch, which begins after its newest message. Readers are
// sent the state anew. It does nothing when another hub did that meanwhile. The journal has to be opened
// again.
func (j *Journal) Renew(ctx context.Context) error {
	engine, err := j.current()
	if err != nil {
		return err
	}
	s, err := engine.js.Stream(ctx, streamName)
	if err != nil {
		return err
	}
	info := s.CachedInfo()
	if !j.life.of(info) {
		return nil
	}
	config := info.Config
	config.Metadata = maps.Clone(config.Metadata)
	config.Metadata[metaEpoch] = stream.NewEpoch()
	config.Metadata[metaBase] = strconv.FormatUint(info.State.LastSeq, 10)
	_, err = engine.js.UpdateStream(ctx, config)
	return err
}
