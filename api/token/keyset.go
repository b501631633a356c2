package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

const (
	refreshEvery = time.Hour        // between fetches of a key set
	refreshLeast = time.Minute      // between fetches for an unknown key, at least
	retryLeast   = 5 * time.Second  // the same before the first success
	fetchTime    = 10 * time.Second // for a fetch
	fetchWait    = 2 * time.Second  // that a token waits for a fetch, at most
	maxSet       = 1 << 20          // bytes of a key set
	maxRedirects = 3
)

// RetryAfter is how long a client should wait after [ErrNoKeys].
const RetryAfter = retryLeast

// ErrNoKeys reports that a key set has not been fetched yet, so that no token can be verified.
var ErrNoKeys = errors.New("the hub cannot fetch the keys that verify tokens")

// setMethods are the algorithms of a key set. Secrets are excluded: everyone who can read them from
// the URL could make tokens.
var setMethods = []string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

// keySet is the keys of a URL. It fetches them again when a token names an unknown key, unless it did
// so shortly before.
type keySet struct {
	ctx    context.Context // done when fetching must end
	url    string
	client http.Client
	log    *slog.Logger

	known   atomic.Pointer[[]jwkset.JWK] // the usable keys of the last fetch; nil: none yet
	fetched atomic.Uint64                // how often known was set

	mu       sync.Mutex    // guards fetching
	fetching chan struct{} // closed at the end of the fetch under way; nil: none is
	refresh  *rate.Limiter // of fetches for an unknown key
	retry    *rate.Limiter // of fetches before the first success
}

// KeySet fetches keys from a JWKS URL (RFC 7517, section 5) until ctx is done: every hour, and at most
// once a minute for an unknown key. A failed fetch keeps the keys of the last one. Before the first
// success, each token starts a fetch, at most every five seconds, and [Verifier.Verify] returns
// [ErrNoKeys]. Neither KeySet nor a token waits longer than two seconds for a fetch. The error is that
// of a URL that does not parse.
func KeySet(ctx context.Context, from string, log *slog.Logger) (*Keys, error) {
	if _, err := url.Parse(from); err != nil {
		return nil, err
	}
	s := &keySet{
		ctx: ctx, url: from, log: log.With("jwks_url", RedactURL(from)),
		client: http.Client{
			Timeout:       fetchTime,
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
			CheckRedirect: redirect,
		},
		refresh: rate.NewLimiter(rate.Every(refreshLeast), 1), retry: rate.NewLimiter(rate.Every(retryLeast), 1),
	}
	wait(s.fetch(nil))
	go s.fetchEvery()
	return &Keys{
		methods: setMethods, find: s.find, all: s.keys,
		renew:   func() bool { return wait(s.fetch(s.refresh)) },
		changes: s.fetched.Load,
	}, nil
}

// RedactURL returns a URL for the log, without the parts that may hold a secret.
func RedactURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// redirect follows up to maxRedirects redirects, and none away from TLS.
func redirect(r *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("more than %d redirects", maxRedirects)
	case via[0].URL.Scheme == "https" && r.URL.Scheme != "https":
		return errors.New("the server redirects away from https")
	}
	return nil
}

func (s *keySet) fetchEvery() {
	ticker := time.NewTicker(refreshEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
			s.fetch(nil)
		}
	}
}

// fetch starts to fetch the keys if the limit allows it. The channel is closed at the end of the fetch
// under way, which may be an earlier one; nil: none is.
func (s *keySet) fetch(limit *rate.Limiter) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetching == nil && (limit == nil || limit.Allow()) {
		s.fetching = make(chan struct{})
		go s.load()
	}
	return s.fetching
}

// wait waits for a fetch, at most fetchWait, and reports whether there was one.
func wait(over <-chan struct{}) bool {
	if over == nil {
		return false
	}
	enough := time.NewTimer(fetchWait)
	defer enough.Stop()
	select {
	case <-over:
	case <-enough.C:
	}
	return true
}

// load fetches the keys and keeps those that can verify tokens.
func (s *keySet) load() {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.fetching)
		s.fetching = nil
	}()
	all, err := s.get()
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err // without the URL, which may hold a secret
		}
		s.log.Warn("cannot fetch the keys that verify tokens", "error", err)
		return
	}
	usable := []jwkset.JWK{}
	for _, one := range all {
		private := jwkset.JWKMarshalOptions{Private: true}
		key, err := jwkset.NewJWKFromMarshal(one, private, jwkset.JWKValidateOptions{})
		if err == nil && algorithmOf(key) != "" {
			usable = append(usable, key)
		}
	}
	if len(usable) == 0 {
		s.log.Warn("no fetched key can verify tokens", "keys", len(all))
	}
	s.known.Store(&usable)
	s.fetched.Add(1)
}

// get fetches the key set.
func (s *keySet) get() ([]jwkset.JWKMarshal, error) {
	r, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answers %s", answer.Status)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxSet+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSet {
		return nil, fmt.Errorf("the answer is larger than %d bytes", maxSet)
	}
	var set struct{ Keys *[]jwkset.JWKMarshal }
	if err := json.Unmarshal(text, &set); err != nil || set.Keys == nil {
		return nil, errors.New("the answer is not a JSON Web Key Set")
	}
	return *set.Keys, nil
}

// find returns the keys that a token may be signed with.
func (s *keySet) find(t *jwt.Token) (any, error) {
	if s.known.Load() == nil {
		wait(s.fetch(s.retry))
	}
	if s.known.Load() == nil {
		return nil, ErrNoKeys
	}
	candidates := *s.known.Load()
	if kid, given := t.Header["kid"].(string); given {
		if candidates = s.named(kid); len(candidates) == 0 {
			wait(s.fetch(s.refresh))
			candidates = s.named(kid)
		}
		if len(candidates) == 0 {
			return nil, &mistake{"no key of this hub has its kid"}
		}
	}
	var fitting jwt.VerificationKeySet
	for _, one := range candidates {
		if algorithmOf(one) == t.Method.Alg() {
			fitting.Keys = append(fitting.Keys, one.Key())
		}
	}
	if len(fitting.Keys) == 0 {
		return nil, &mistake{fmt.Sprintf("its algorithm is %q; no key of this hub uses it", t.Method.Alg())}
	}
	return fitting, nil
}

// keys returns the usable keys.
func (s *keySet) keys() (all []any) {
	if known := s.known.Load(); known != nil {
		for _, one := range *known {
			all = append(all, one.Key())
		}
	}
	return all
}

// named returns the keys of an id, which may be several (RFC 7517, section 4.5).
func (s *keySet) named(kid string) (keys []jwkset.JWK) {
	for _, one := range *s.known.Load() {
		if one.Marshal().KID == kid {
			keys = append(keys, one)
		}
	}
	return keys
}

// algorithmOf returns the algorithm of a key of a set: the one that the set names, or else that of its
// kind; "" if the key is not for verifying.
func algorithmOf(one jwkset.JWK) string {
	said := one.Marshal()
	method, err := methodOf(one.Key())
	switch {
	case err != nil,
		said.USE != "" && said.USE != jwkset.UseSig,
		len(said.KEYOPS) > 0 && !slices.Contains(said.KEYOPS, jwkset.KeyOpsVerify):
		return ""
	case said.ALG != "":
		return said.ALG.String()
	}
	return method
}
