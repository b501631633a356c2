package server

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"livemap/cmd/livemap/listen"
)

// Config is all that a hub can be told. Begin with [Default]: the zero Config is not valid.
//
// Errors name each field by the flag of `livemap serve` that sets it.
type Config struct {
	Listen listen.Config // ports and certificates; Listen.Tokens follows from JWTKey and JWKSURL

	TrustedProxies []netip.Prefix // --trusted-proxy: whose X-Forwarded-For counts; a Unix socket's always does

	// What the hub remembers and how it writes streams.
	History       Size          // --history: memory of the event log, its index included: 1 MiB to 64 GiB
	MaxBacklog    Size          // --max-backlog: how far a stream may be behind before it gets newest positions: 64 KiB to 64 GiB
	FlushInterval time.Duration // --flush-interval: longest time an event waits for others before it is written: 1 ms to 1 s
	Heartbeat     time.Duration // --heartbeat: silence after which a stream gets a heartbeat: 1 s to 30 s
	StallTimeout  time.Duration // --stall-timeout: longest time that one write of at most 16 KiB may take: 1 s to 10 min
	MaxVehicles   int           // --max-vehicles: vehicles remembered, gone ones included: 1 to 10,000,000
	VehicleTTL    time.Duration // --vehicle-ttl: silence after which a vehicle is forgotten: 1 s to 10 years; 0: never
	Drain         time.Duration // --drain: time over which streams are ended at the end: 0 to 5 min
	StateDir      string        // --state-dir: see [Run]; "": livemap in the user's state directory

	// Who may read and publish, and how much.
	Anonymous      bool          // --anonymous: anyone who reaches the public or the proxy port may read
	JWTKey         string        // --jwt-key: file with the key that tokens are verified with
	JWKSURL        string        // --jwks-url: where keys are fetched instead
	JWTIssuer      string        // --jwt-issuer: the iss that tokens must have; "": any
	JWTAudience    string        // --jwt-audience: an aud that tokens must have; "": any
	AllowOrigins   []string      // --allow-origin: other pages that may read, as browsers send their origins
	CookieSameSite http.SameSite // --cookie-same-site: of the session cookie; 0: strict
	LoginURL       string        // --login-url: where the page sends readers to sign in; "": it asks for a token
	MaxStreams     int           // --max-streams-per-client: 0 to 1,000,000; 0: any number
	PublishRate    float64       // --publish-rate: positions per second and publisher, 0 to 1e9; 0: any number
	AtHome         bool          // the public port is for browsers of this machine: it refuses foreign host names

	// What the page draws below the vehicles.
	MapStyle   string   // --map-style: URL of a MapLibre style; "": the base map of the hub
	MapOrigins []string // --map-origin: further origins that MapStyle draws from
	MapPMTiles string   // --map-pmtiles: PMTiles archive to draw from instead

	Version string       // of the program, for the page
	Log     *slog.Logger // nil: none
}

// DefaultMaxStreams is [Config.MaxStreams] where readers need tokens.
const DefaultMaxStreams = 256

// Default returns what `livemap serve` runs with when no flag is set. Nobody may read then, so
// it is not valid as it is: set Anonymous, JWTKey or JWKSURL.
func Default() Config {
	return Config{
		Listen:         listen.Config{Public: address(":4433"), Internal: address("127.0.0.1:9801")},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		History:        64 << 20,
		MaxBacklog:     16 << 20,
		FlushInterval:  20 * time.Millisecond,
		Heartbeat:      15 * time.Second,
		StallTimeout:   30 * time.Second,
		MaxVehicles:    200_000,
		VehicleTTL:     7 * 24 * time.Hour,
		Drain:          5 * time.Second,
		CookieSameSite: http.SameSiteStrictMode,
		MaxStreams:     DefaultMaxStreams,
	}
}

func address(text string) (a listen.Address) {
	if err := a.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return a
}

// ConfigError is a mistake in a [Config], or in what it names: a file that cannot be read, say.
type ConfigError = listen.ConfigError

// Validate reports the first mistake that can be seen without starting the hub.
func (c *Config) Validate() error {
	ports := c.ports()
	return cmp.Or(c.checkRanges(), ports.ValidatePublic(), c.checkAuth(), ports.ValidateInternal(), c.checkMap())
}

// ports is Listen, with what follows from other fields.
func (c *Config) ports() listen.Config {
	ports := c.Listen
	ports.Tokens = c.takesTokens()
	return ports
}

// Place has sockets that were passed to the process take the place of ports; see
// [listen.Config.Place].
func (c *Config) Place(passed listen.PassedSockets) error {
	c.Listen = c.ports()
	return c.Listen.Place(passed)
}

func (c *Config) checkRanges() error {
	const tenYears = 87600 * time.Hour
	err := cmp.Or(
		within("history", c.History, 1<<20, 64<<30),
		within("max-backlog", c.MaxBacklog, 64<<10, 64<<30),
		within("flush-interval", c.FlushInterval, time.Millisecond, time.Second),
		within("heartbeat", c.Heartbeat, time.Second, 30*time.Second),
		within("stall-timeout", c.StallTimeout, time.Second, 10*time.Minute),
		within("max-vehicles", c.MaxVehicles, 1, 10_000_000),
	)
	if err == nil && c.VehicleTTL != 0 && (c.VehicleTTL < time.Second || c.VehicleTTL > tenYears) {
		err = fmt.Errorf("--vehicle-ttl is %s; it must be from 1s to 87600h, or 0 for never", c.VehicleTTL)
	}
	return cmp.Or(err, within("drain", c.Drain, 0, 5*time.Minute))
}

// within checks a field, named as its flag is, against its range.
func within[T cmp.Ordered](flag string, value, least, most T) error {
	if least <= value && value <= most {
		return nil
	}
	return fmt.Errorf("--%s is %v; it must be from %v to %v", flag, value, least, most)
}
