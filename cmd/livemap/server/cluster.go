package server

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"livemap/cmd/livemap/listen"
	"livemap/stream/jetstream"
)

// Certificates are files in PEM form for mutual TLS.
type Certificates struct {
	Cert, Key string // of this hub
	CA        string // that sign the certificates of the other side
}

// Cluster makes three or five hubs one: they have the same journal, and each has all of it.
type Cluster struct {
	Listen    string   // (--cluster-listen) host:port for the other hubs; "": no cluster
	Peers     []string // (--cluster-peers) host:port of the other hubs, and perhaps of this one
	Advertise string   // (--cluster-advertise) host:port at which the others reach this hub; "" is Listen
	Node      string   // (--node-name) "" is the machine's name
	TLS       Certificates
}

// isRemote reports whether the journal is on servers elsewhere.
func (c *Config) isRemote() bool { return strings.Contains(c.Journal, "://") }

func (c *Config) checkJournal() error {
	tlsGiven := c.JournalTLS != Certificates{}
	switch {
	case c.isRemote():
		if err := checkURLs(c.Journal); err != nil {
			return err
		}
	case c.JournalCreds != "" || tlsGiven:
		return errors.New("--journal-creds, --journal-ca, --journal-cert and --journal-key are for --journal " +
			"nats://… alone")
	case c.Journal == JournalOff:
		return nil
	case c.Journal != JournalEmbedded:
		return fmt.Errorf("--journal is %q; it must be %s, %s or nats://host:port,…", c.Journal,
			JournalEmbedded, JournalOff)
	}
	if (c.JournalTLS.Cert == "") != (c.JournalTLS.Key == "") {
		return errors.New("--journal-cert and --journal-key must be set together")
	}
	if c.JournalSync != 0 && (c.JournalSync < 100*time.Millisecond || c.JournalSync > time.Minute) {
		return fmt.Errorf("--journal-sync is %s; it must be from 100ms to 1m, or 0 for before each answer",
			c.JournalSync)
	}
	return cmp.Or(
		within("journal-size", c.JournalSize, 16<<20, 16<<40),
		within("journal-age", c.JournalAge, time.Minute, 87600*time.Hour),
		within("publish-wait", c.PublishWait, time.Second, 5*time.Minute),
	)
}

// checkURLs checks the addresses of NATS servers. A password would be seen by everyone who lists processes.
func checkURLs(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		if !strings.Contains(one, "://") {
			one = "nats://" + one
		}
		u, err := url.Parse(one)
		switch {
		case err != nil || u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" || u.Path != "":
			return fmt.Errorf("--journal is %q; servers are given as nats://host:port,… or tls://host:port,…", text)
		case u.User != nil:
			return errors.New("--journal has a name or password; give a file with --journal-creds, or a " +
				"certificate with --journal-cert and --journal-key")
		}
	}
	return nil
}

var nodeName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func (c *Config) checkCluster() error {
	cluster := &c.Cluster
	if cluster.Listen == "" {
		if len(cluster.Peers) > 0 || cluster.Advertise != "" || cluster.TLS != (Certificates{}) {
			return errors.New("--cluster-peers, --cluster-advertise, --cluster-cert, --cluster-key and " +
				"--cluster-ca need --cluster-listen")
		}
		return nil
	}
	if c.Journal != JournalEmbedded {
		return fmt.Errorf("--cluster-listen needs --journal %s, not %s: with NATS servers of their own hubs "+
			"need no cluster", JournalEmbedded, c.Journal)
	}
	if err := checkHostPort("cluster-listen", cluster.Listen); err != nil {
		return err
	}
	if err := checkHostPort("cluster-advertise", cmp.Or(cluster.Advertise, cluster.Listen)); err != nil {
		return err
	}
	for _, peer := range cluster.Peers {
		if err := checkHostPort("cluster-peers", peer); err != nil {
			return err
		}
	}
	if node := cluster.node(); !nodeName.MatchString(node) {
		return fmt.Errorf("--node-name is %q; it must be 1 to 64 of A-Z a-z 0-9 . _ -", node)
	}
	return cmp.Or(cluster.checkSize(), cluster.checkReach())
}

func checkHostPort(flag, address string) error {
	host, port, err := net.SplitHostPort(address)
	if n, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil || n == 0 {
		return fmt.Errorf("--%s is %q; it must be host:port, with a number from 1 to 65535", flag, address)
	}
	if ip := net.ParseIP(host); flag != "cluster-listen" && (host == "" || ip != nil && ip.IsUnspecified()) {
		return fmt.Errorf("--%s is %q, where no other hub finds this one; name a host with --cluster-advertise",
			flag, address)
	}
	return nil
}

// others returns the addresses of the other hubs.
func (c *Cluster) others() []string {
	own := cmp.Or(c.Advertise, c.Listen)
	others := slices.DeleteFunc(slices.Clone(c.Peers), func(peer string) bool { return peer == own })
	slices.Sort(others)
	return slices.Compact(others)
}

func (c *Cluster) node() string {
	if c.Node != "" {
		return c.Node
	}
	host, _ := os.Hostname()
	return host
}

// checkSize refuses clusters that are no safer than one hub.
func (c *Cluster) checkSize() error {
	switch others := c.others(); len(others) {
	case 2, 4:
		return nil
	case 0:
		return errors.New("--cluster-listen needs --cluster-peers with the addresses of the two or four other hubs")
	case 1:
		return errors.New("a cluster of two hubs stops when either of them stops, so it is worse than one; run " +
			"one hub, or three")
	default:
		return fmt.Errorf("--cluster-peers and this hub, %s, are %d hubs; a cluster has three or five. If %s is "+
			"among them under another address, give that with --cluster-advertise", cmp.Or(c.Advertise, c.Listen),
			len(others)+1, cmp.Or(c.Advertise, c.Listen))
	}
}

// checkReach refuses connections between machines without mutual TLS.
func (c *Cluster) checkReach() error {
	given := 0
	for _, file := range []string{c.TLS.Cert, c.TLS.Key, c.TLS.CA} {
		if file != "" {
			given++
		}
	}
	if given == 3 {
		return nil
	}
	if given > 0 {
		return errors.New("--cluster-cert, --cluster-key and --cluster-ca must be set together")
	}
	for _, address := range append([]string{c.Listen, cmp.Or(c.Advertise, c.Listen)}, c.Peers...) {
		if host, _, _ := net.SplitHostPort(address); !listen.IsLoopback(host) {
			return fmt.Errorf("%s is not on loopback: a cluster of several machines needs --cluster-cert, "+
				"--cluster-key and --cluster-ca", address)
		}
	}
	return nil
}

// load returns the configuration of both ends of a connection. Certificate and key are read again for each.
func (c Certificates) load(flags string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, ConfigError{Err: fmt.Errorf("--%s-ca: %w", flags, err)}
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, ConfigError{Err: fmt.Errorf("--%s-ca: %s has no certificate in PEM form", flags, c.CA)}
		}
		config.ClientCAs, config.ClientAuth = config.RootCAs, tls.RequireAndVerifyClientCert
	}
	if c.Cert != "" {
		load := func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
			return &pair, err
		}
		first, err := load()
		if err != nil {
			return nil, ConfigError{Err: fmt.Errorf("--%s-cert, --%s-key: %w", flags, flags, err)}
		}
		config.Certificates = []tls.Certificate{*first}
		config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return load() }
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	}
	return config, nil
}

// check reports a certificate with which the other hubs would not let this one in. They say so in their own
// logs alone.
func (c Certificates) check(config *tls.Config) error {
	leaf := config.Certificates[0].Leaf
	intermediates := x509.NewCertPool()
	for _, der := range config.Certificates[0].Certificate[1:] {
		if one, err := x509.ParseCertificate(der); err == nil {
			intermediates.AddCert(one)
		}
	}
	for _, use := range []struct {
		name string
		of   x509.ExtKeyUsage
	}{{"server", x509.ExtKeyUsageServerAuth}, {"client", x509.ExtKeyUsageClientAuth}} {
		_, err := leaf.Verify(x509.VerifyOptions{
			Roots: config.RootCAs, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{use.of}})
		invalid, _ := errors.AsType[x509.CertificateInvalidError](err)
		switch {
		case err == nil:
			continue
		case invalid.Reason == x509.Expired && time.Now().After(leaf.NotAfter):
			err = fmt.Errorf("%s ended at %s; renew it", c.Cert, leaf.NotAfter.UTC().Format(time.RFC3339))
		case invalid.Reason == x509.IncompatibleUsage:
			err = fmt.Errorf("%s is not for %s use; it must be for both (extendedKeyUsage serverAuth, clientAuth)",
				c.Cert, use.name)
		case errors.As(err, new(x509.UnknownAuthorityError)):
			err = fmt.Errorf("%s is not signed by an authority of --cluster-ca", c.Cert)
		}
		return ConfigError{Err: fmt.Errorf("--cluster-cert: %w", err)}
	}
	return nil
}

// journalOptions returns where the journal is.
func (c *Config) journalOptions(state *stateDir) (jetstream.Config, error) {
	options := jetstream.Config{
		Dir: state.Path(journalDir), MaxBytes: int64(c.JournalSize), MaxAge: c.JournalAge, Sync: c.JournalSync,
		Logger: state.log, Keep: c.keepJournal,
	}
	if c.isRemote() {
		options.Remote = &jetstream.Remote{URLs: c.Journal, Creds: c.JournalCreds}
		if c.JournalTLS == (Certificates{}) {
			return options, nil
		}
		config, err := c.JournalTLS.load("journal")
		options.Remote.TLS = config
		return options, err
	}
	if c.Cluster.Listen == "" {
		return options, nil
	}
	options.Cluster = &jetstream.Cluster{
		Node: c.Cluster.node(), Listen: c.Cluster.Listen, Advertise: c.Cluster.Advertise, Peers: c.Cluster.others(),
	}
	if c.Cluster.TLS == (Certificates{}) {
		return options, nil
	}
	config, err := c.Cluster.TLS.load("cluster")
	if err == nil {
		err = c.Cluster.TLS.check(config)
	}
	options.Cluster.TLS = config
	return options, err
}
