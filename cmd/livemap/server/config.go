package server

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"livemap/api/token"
	"livemap/cmd/livemap/listen"
	"livemap/stream"
)

// Config is everything that can be set of a hub. Begin with [Default]: the zero Config is not valid.
//
// Errors name each field by the flag of `livemap serve` that sets it.
type Config struct {
	// Listen says where the hub listens, and with which certificates. The hub sets its Tokens and its
	// TrustedProxies and StallTimeout.
	Listen listen.Config
	// TrustedProxies (--trusted-proxy) are networks whose X-Forwarded-For counts. That of a Unix
	// socket always does.
	TrustedProxies []netip.Prefix
	// LocalHostsOnly makes the public and the proxy port reject host names other than this machine's,
	// so that no web page reaches them by a name of its own. It is for a hub that anyone on this
	// machine may read.
	LocalHostsOnly bool

	// History (--history) is the memory for the event log, its index included: 1 MiB to 64 GiB.
	History Size
	// MaxBacklog (--max-backlog) is how far a stream may be behind before it gets newest positions
	// instead of every one: 64 KiB to 64 GiB.
	MaxBacklog Size
	// FlushInterval (--flush-interval) is the longest time that an event waits for others before
	// it is written: 1 ms to 1 s.
	FlushInterval time.Duration
	// Heartbeat (--heartbeat) is the silence after which a stream gets a ping: 1 s to 30 s.
	Heartbeat time.Duration
	// StallTimeout (--stall-timeout) is how long a reader may take for a write of at most 16 KiB.
	// Then its stream or its answer is cut: 1 s to 10 min.
	StallTimeout time.Duration
	// Settings (--max-vehicles, --max-state and others) are values of settings of the journal. One that is
	// missing stays as it is there, and has its default without a journal.
	Settings stream.Settings
	// Journal (--journal) is [JournalEmbedded], in the state directory, [JournalOff], or the nats:// URLs of
	// servers, separated by commas.
	Journal string
	// JournalCreds (--journal-creds) is a file with the JWT and the seed of a NATS user. JournalTLS
	// (--journal-cert, --journal-key, --journal-ca) is for the connection to the servers of Journal.
	JournalCreds string
	JournalTLS   Certificates
	// Cluster (--cluster-…) makes several hubs one.
	Cluster Cluster
	// JournalSize (--journal-size) is how much the journal keeps: 16 MiB to 16 TiB.
	JournalSize Size
	// JournalAge (--journal-age) is for how long the journal keeps it: 1 min to 87,600 h.
	JournalAge time.Duration
	// JournalSync (--journal-sync) is how often the disk is told to keep the journal for good: 100 ms to
	// 1 min, or 0: before each answer.
	JournalSync time.Duration
	keepJournal bool // an error instead of a new journal in place of the one that is there

	// PublishWait (--publish-wait) is how long a publish waits for the journal: 1 s to 5 min.
	PublishWait time.Duration
	// Drain (--drain) is the time over which a hub that goes down ends its streams: 0 to 5 min.
	Drain time.Duration
	// StateDir (--state-dir) is the directory that outlives the process. "" is livemap in the
	// user's state directory.
	StateDir string

	// Anonymous (--anonymous) lets anyone read who reaches the public or the proxy port. It, JWTKey
	// or JWKSURL must be set.
	Anonymous bool
	// JWTKey (--jwt-key) is a file with what tokens are verified with: a public key in PEM form, or
	// a secret of at least 32 bytes.
	JWTKey string
	// JWTSecretFormat (--jwt-secret-format) is how JWTKey holds a secret; "" is
	// [token.TextSecret].
	JWTSecretFormat token.SecretFormat
	// JWKSURL (--jwks-url) is where such keys are fetched instead.
	JWKSURL string
	// JWTIssuer (--jwt-issuer) is the iss that tokens must have; "" is any.
	JWTIssuer string
	// JWTAudience (--jwt-audience) is an aud that tokens must have; "" is any.
	JWTAudience string
	// AllowOrigins (--allow-origin) are origins of other pages that may read, written as browsers
	// send them: https://fleet.example.com.
	AllowOrigins []string
	// CookieSameSite (--cookie-same-site) is of the session cookie; 0 is strict.
	CookieSameSite http.SameSite
	// LoginURL (--login-url) is where the page sends readers to sign in. Without it, the page asks
	// for a token.
	LoginURL string
	// MaxStreams (--max-streams-per-client) is how many streams a client may have on the public and
	// the proxy port: 0 to 1,000,000; 0 is any number. A client is a token's subject or an address.
	MaxStreams int
	// PublishRate (--publish-rate) is how many positions a second a client may publish: 0 to 1e9;
	// 0 is any number.
	PublishRate float64

	// MapStyle (--map-style) is the URL of a MapLibre style. "" is the base map of the hub.
	MapStyle string
	// MapOrigins (--map-origin) are further origins that MapStyle loads from.
	MapOrigins []string
	// MapPMTiles (--map-pmtiles) are PMTiles archives to draw streets from, the last on top.
	MapPMTiles []string
	// MapCity is the contents of a PMTiles archive that is drawn below those of MapPMTiles. "" is none.
	MapCity string
	// MapView is where the map opens. nil shows all vehicles.
	MapView *View

	// Version is that of the program. The page shows it, and so do the metrics.
	Version string
	// Log is the hub's log; nil is none.
	Log *slog.Logger
}

// DefaultMaxStreams is the default of Config.MaxStreams if readers need tokens.
const DefaultMaxStreams = 256

// Default returns what `livemap serve` uses if no flag is set. Nobody may read then, so it is not
// valid yet: set Anonymous, JWTKey or JWKSURL.
func Default() Config {
	return Config{
		Listen:          listen.Config{Public: address(":4433"), Internal: address("127.0.0.1:9801")},
		TrustedProxies:  []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		History:         64 << 20,
		MaxBacklog:      16 << 20,
		FlushInterval:   20 * time.Millisecond,
		Heartbeat:       15 * time.Second,
		StallTimeout:    30 * time.Second,
		Journal:         JournalEmbedded,
		JournalSize:     4 << 30,
		JournalAge:      72 * time.Hour,
		JournalSync:     time.Second,
		PublishWait:     10 * time.Second,
		Drain:           5 * time.Second,
		JWTSecretFormat: token.TextSecret,
		CookieSameSite:  http.SameSiteStrictMode,
		MaxStreams:      DefaultMaxStreams,
	}
}

// address reads an address that is a constant.
func address(text string) (a listen.Address) {
	if err := a.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return a
}

// ConfigError is a mistake in a [Config] or in something that it names: a file that cannot be read,
// for instance.
type ConfigError = listen.ConfigError

// Validate reports the first mistake that shows without a start of the hub; nil if there is none.
// [Run] calls it too.
func (c *Config) Validate() error {
	ports := c.ports()
	return cmp.Or(c.checkRanges(), ports.ValidatePublic(), c.checkAuth(), ports.ValidateInternal(), c.checkMap())
}

// ports returns Listen, with Tokens, TrustedProxies and StallTimeout set.
func (c *Config) ports() listen.Config {
	ports := c.Listen
	ports.Tokens, ports.TrustedProxies, ports.StallTimeout = c.takesTokens(), c.TrustedProxies, c.StallTimeout
	return ports
}

// Place replaces addresses of Listen by sockets that were passed to the process; see
// [listen.Config.Place].
func (c *Config) Place(passed listen.PassedSockets) error {
	c.Listen = c.ports()
	return c.Listen.Place(passed)
}

// checkRanges reports the first number that is out of its range.
func (c *Config) checkRanges() error {
	err := cmp.Or(
		within("history", c.History, 1<<20, 64<<30),
		within("max-backlog", c.MaxBacklog, 64<<10, 64<<30),
		within("flush-interval", c.FlushInterval, time.Millisecond, time.Second),
		within("heartbeat", c.Heartbeat, time.Second, 30*time.Second),
		within("stall-timeout", c.StallTimeout, time.Second, 10*time.Minute),
	)
	if err == nil {
		if err = c.Settings.Check(); err != nil {
			err = fmt.Errorf("--%w", err)
		}
	}
	return cmp.Or(err, c.checkJournal(), c.checkCluster(), within("drain", c.Drain, 0, 5*time.Minute))
}

// within checks the field of a flag against its range.
func within[T cmp.Ordered](flag string, value, least, most T) error {
	if least <= value && value <= most {
		return nil
	}
	return fmt.Errorf("--%s is %v; it must be from %v to %v", flag, value, least, most)
}
