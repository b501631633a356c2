package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"livemap/api/token"
	"livemap/cmd/livemap/listen"
	"livemap/cmd/livemap/server"
)

// serveCmd runs a hub.
type serveCmd struct {
	Listen listen.Address `default:":4433" placeholder:"ADDRESS"`
	certificateFlags
	ProxyListen listen.Address `default:"off" placeholder:"ADDRESS"`
	proxyFlags
	PublishListen listen.Address `default:"127.0.0.1:9801" placeholder:"ADDRESS"`

	streamFlags
	settingFlags
	journalFlags
	clusterFlags
	Drain     time.Duration `default:"5s" placeholder:"TIME"`
	StateDir  string        `placeholder:"DIR"`
	LogFormat string        `placeholder:"FORMAT" enum:"text,json," default:""`
	LogLevel  logLevel      `placeholder:"LEVEL" enum:"debug,info,warn,error" default:"info"`

	Anonymous       bool
	JWTKey          string `name:"jwt-key" placeholder:"FILE"`
	JWTSecretFormat string `name:"jwt-secret-format" placeholder:"FORMAT" enum:"text,raw" default:"text"`
	JWKSURL         string `name:"jwks-url" placeholder:"URL"`
	JWTIssuer       string `name:"jwt-issuer" placeholder:"NAME"`
	JWTAudience     string `name:"jwt-audience" placeholder:"NAME"`
	PublishClientCA string `name:"publish-client-ca" placeholder:"FILE"`
	originFlags
	CookieSameSite string `default:"strict" enum:"strict,lax,none" placeholder:"WHEN"`
	LoginURL       string `name:"login-url" placeholder:"URL"`
	limitFlags
	mapFlags
}

// serveHelp has the help texts of serveCmd.
var serveHelp = helpTexts{
	"listen": "Public HTTPS: HTTP/1.1 and HTTP/2 over TCP, HTTP/3 over UDP of the same port number; off " +
		"behind a proxy (${default}).",
	"proxy-listen": "Plaintext HTTP/1.1 and HTTP/2 for a reverse proxy: host:port or unix:/path (${default}).",
	"publish-listen": "Internal port for publishers and operators: host:port or unix:/path (${default}). A " +
		"port that other machines can reach needs TLS, and client certificates or tokens.",
	"drain": "Time over which the hub spreads the ends of its streams: 0s to 5m (${default}).",
	"state-dir": "Directory for the certificate, QUIC keys, the journal and every vehicle's newest position " +
		"(default: livemap in the user's state directory).",
	"log-format": "Format of the log: text or json (default: text on a terminal, else json).",
	"log-level": "Least important lines of the log: debug, info, warn or error (${default}). info has each " +
		"stream that opens or closes; debug adds failed handshakes, malformed requests and idle connections.",
	"anonymous": "Let everyone who can reach the public or proxy port read.",
	"jwt-key": "Key that verifies tokens: a PEM public key (RSA, ECDSA, Ed25519), or an HS256 secret of at " +
		"least 32 bytes. The hub reloads it when it changes; tokens of the old key then count no longer.",
	"jwt-secret-format": "Format of a secret in --jwt-key: text (UTF-8 without control characters; a final " +
		"newline is no part of it) or raw (any bytes, each of which counts) (${default}).",
	"jwks-url": "JSON Web Key Set to verify tokens with, instead of --jwt-key. The hub fetches it every hour, " +
		"and for an unknown key at most once a minute.",
	"jwt-issuer":   "Issuer (iss) that tokens must have (default: any).",
	"jwt-audience": "Audience (aud) that tokens must have (default: any).",
	"publish-client-ca": "PEM certificates of the CAs that sign publishers' certificates. --publish-listen " +
		"then speaks TLS with --tls-cert and asks for a client certificate.",
	"cookie-same-site": "SameSite of the session cookie: strict, lax or none (${default}). Pages of " +
		"--allow-origin on other sites need none.",
	"login-url": "Page to which the map sends users who must sign in. Without it, the map asks for a token.",
}

// config returns the hub that the flags ask for.
func (c *serveCmd) config() server.Config {
	config := server.Config{
		Listen: listen.Config{
			Public: c.Listen, Proxy: c.ProxyListen, Internal: c.PublishListen, ClientCA: c.PublishClientCA,
		},
		Drain: c.Drain, StateDir: c.StateDir,
		Anonymous: c.Anonymous, JWTKey: c.JWTKey, JWKSURL: c.JWKSURL,
		JWTSecretFormat: token.SecretFormat(c.JWTSecretFormat),
		JWTIssuer:       c.JWTIssuer, JWTAudience: c.JWTAudience,
		CookieSameSite: sameSite[c.CookieSameSite], LoginURL: c.LoginURL,
		Version: version(),
	}
	c.certificateFlags.set(&config)
	c.proxyFlags.set(&config)
	c.streamFlags.set(&config)
	c.settingFlags.set(&config)
	c.journalFlags.set(&config)
	c.clusterFlags.set(&config, c.JournalSync)
	c.originFlags.set(&config)
	c.limitFlags.set(&config)
	c.mapFlags.set(&config)
	return config
}

// sameSite has the values of --cookie-same-site.
var sameSite = map[string]http.SameSite{
	"strict": http.SameSiteStrictMode, "lax": http.SameSiteLaxMode, "none": http.SameSiteNoneMode,
}

// Validate checks the flags; kong calls it.
func (c *serveCmd) Validate() error {
	config := c.config()
	err := config.Validate()
	if errors.Is(err, server.ErrNobodyMayRead) && os.Getenv("NOTIFY_SOCKET") != "" { // a service of systemd
		return errors.New("nobody may read; set LIVEMAP_JWKS_URL, or LIVEMAP_ANONYMOUS=true for everyone, in " +
			"/etc/livemap/livemap.env, or make a key with livemap token --make-key and set LIVEMAP_JWT_KEY")
	}
	return err
}

// Help returns what --help adds to the flags.
func (c *serveCmd) Help() string {
	return `Runs until SIGTERM, SIGINT or SIGHUP, and then ends in good order. SIGHUP reloads nothing. The hub
reloads the files of --tls-cert, --jwt-key and --map-pmtiles when they change.

Exit status: 0 after one of these signals; 1 if the hub cannot run, for example because a port is in use; 2
for a mistake in the call.`
}

// Run runs the hub until ctx is done, and then ends it in good order.
func (c *serveCmd) Run(ctx context.Context, std streams, call *kong.Context) error {
	passed, err := listen.TakePassed()
	if err != nil {
		return asUsage(err)
	}
	defer passed.Close()
	config := c.config()
	if err := config.Place(passed); err != nil {
		return asUsage(err)
	}
	config.Log = c.logger(std)
	for _, name := range unknownVariables(call.Model, os.Environ()) {
		config.Log.Warn("ignoring an unknown environment variable", "variable", name)
	}
	return asUsage(server.Run(ctx, config, func(at listen.Addresses) {
		if isTerminal(std.err) {
			fmt.Fprint(std.err, c.welcome(at))
		}
	}))
}

// logLevel is a value of --log-level, which names one of slog's levels.
type logLevel string

// level returns the level of slog.
func (l logLevel) level() (level slog.Level) {
	if err := level.UnmarshalText([]byte(l)); err != nil {
		panic(err) // the flag allows no other
	}
	return level
}

// logger returns the log in the format of --log-format, from --log-level on.
func (c *serveCmd) logger(std streams) *slog.Logger {
	format := c.LogFormat
	if format == "" {
		format = "json"
		if isTerminal(std.err) {
			format = "text"
		}
	}
	from := &slog.HandlerOptions{Level: c.LogLevel.level()}
	if format == "text" {
		return slog.New(slog.NewTextHandler(std.err, from))
	}
	return slog.New(slog.NewJSONHandler(std.err, from))
}
