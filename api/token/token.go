// Package token verifies JSON Web Tokens (RFC 7519) and returns what they allow.
//
// [KeyFile] or [KeySet] provide the [Keys] of a [Verifier]; [Verifier.Verify] returns the [Grant] of a
// token. A [Signer] makes tokens to try a hub out.
package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
)

// Leeway is how far the clocks of the hub and of a token's issuer may differ.
const Leeway = time.Minute

// Grant is what a token allows.
type Grant struct {
	Subject string    // the claim sub; "": the token has none
	Expires time.Time // the claim exp
	Read    Patterns  // topics that a reader may read
	Publish Patterns  // vehicle ids that a publisher may publish for
	Topics  Patterns  // topics that a publisher may name
	Fences  Patterns  // ids of fences that may be made, changed and deleted

	key any // that verified the token: see [Verifier.Revoked]
}

// Ends returns when a stream or upload that began at a time must end: when the token expires, or at
// the end of the leeway if it began within that.
func (g *Grant) Ends(begun time.Time) time.Time {
	if begun.Before(g.Expires) {
		return g.Expires
	}
	return g.Expires.Add(Leeway)
}

// Rules are what a token must satisfy, beyond its signature.
type Rules struct {
	Issuer   string           // the claim iss; "": any
	Audience string           // one of the claim aud; "": any
	Clock    func() time.Time // nil: time.Now
}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	rules    Rules
	current  atomic.Pointer[verification]
	replaced atomic.Uint64 // how often Replace was called
}

// verification verifies tokens with keys.
type verification struct {
	keys   *Keys
	rules  Rules
	parser *jwt.Parser
}

// NewVerifier returns a Verifier of tokens that are signed with one of the keys.
func NewVerifier(keys *Keys, rules Rules) *Verifier {
	v := &Verifier{rules: rules}
	v.current.Store(newVerification(keys, rules))
	return v
}

// Replace makes these the only keys. Tokens that another key has signed count no longer: see
// [Verifier.Revoked].
func (v *Verifier) Replace(keys *Keys) {
	v.current.Store(newVerification(keys, v.rules))
	v.replaced.Add(1)
}

// Changes returns a number that rises whenever tokens may have been revoked: the keys were replaced, or
// their set was fetched again.
func (v *Verifier) Changes() uint64 {
	n := v.replaced.Load()
	if keys := v.current.Load().keys; keys.changes != nil {
		n += keys.changes()
	}
	return n
}

// Revoked reports whether the key that verified a token is no longer among the keys. The grant is one that
// Verify returned.
func (v *Verifier) Revoked(g *Grant) bool {
	return !slices.ContainsFunc(v.current.Load().keys.all(), func(key any) bool { return isSameKey(key, g.key) })
}

func newVerification(keys *Keys, rules Rules) *verification {
	options := []jwt.ParserOption{
		jwt.WithValidMethods(keys.methods), jwt.WithLeeway(Leeway),
		jwt.WithExpirationRequired(), jwt.WithStrictDecoding(),
	}
	if rules.Issuer != "" {
		options = append(options, jwt.WithIssuer(rules.Issuer))
	}
	if rules.Audience != "" {
		options = append(options, jwt.WithAudience(rules.Audience))
	}
	if rules.Clock != nil {
		options = append(options, jwt.WithTimeFunc(rules.Clock))
	}
	return &verification{keys, rules, jwt.NewParser(options...)}
}

// claims are the claims that the hub reads.
type claims struct {
	jwt.RegisteredClaims
	Livemap json.RawMessage `json:"livemap"` // rights; read after the signature is verified
}

// UnmarshalJSON matches names exactly and rejects duplicates. An issuer may let others add claims whose
// names differ in case (RFC 7519, section 4).
func (c *claims) UnmarshalJSON(text []byte) error {
	type members claims
	return jsonv2.Unmarshal(text, (*members)(c))
}

// rights reads the claim livemap into a grant. It ignores unknown members, as RFC 7519 does for claims.
func (g *Grant) rights(claim json.RawMessage) error {
	if len(claim) == 0 {
		return nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(claim, &members) != nil || members == nil {
		return &mistake{"its claim livemap must be an object"}
	}
	for name, into := range map[string]*Patterns{
		"read": &g.Read, "publish": &g.Publish, "topics": &g.Topics, "fences": &g.Fences,
	} {
		if value, given := members[name]; given {
			if err := into.UnmarshalJSON(value); err != nil {
				return &mistake{fmt.Sprintf("in its claim livemap, %s %v", name, err)}
			}
		}
	}
	return nil
}

// missing returns the name of the required claim that is missing.
func (v *verification) missing(c *claims) string {
	switch {
	case c.ExpiresAt == nil:
		return "exp"
	case c.Issuer == "" && v.rules.Issuer != "":
		return "iss"
	}
	return "aud"
}

// mistake is what is wrong with a token, in words for its sender.
type mistake struct{ text string }

func (m *mistake) Error() string { return m.text }

// Verify returns what a token allows. The error is [ErrNoKeys], or says what is wrong with the token,
// in words that its sender may read: "it expired at …".
func (v *Verifier) Verify(raw string) (*Grant, error) { return v.current.Load().verify(raw) }

func (v *verification) verify(raw string) (*Grant, error) {
	t, c, keys, err := v.parse(raw)
	if errors.Is(err, jwt.ErrTokenSignatureInvalid) &&
		v.keys.renew != nil && t.Header["kid"] == nil && v.keys.renew() {
		t, c, keys, err = v.parse(raw) // without a kid, a wrong signature may mean new keys
	}
	signed := err == nil || errors.Is(err, jwt.ErrTokenInvalidClaims) // claims are read after the signature
	if name := c.outOfRange(); name != "" && signed {
		return nil, &mistake{
			"its " + name + " is out of range; it must be in seconds since 1970, up to the year 9999",
		}
	}
	if err != nil {
		return nil, v.explain(t, c, err)
	}
	if _, critical := t.Header["crit"]; critical { // RFC 7515, section 4.1.11
		return nil, &mistake{"its header has crit, which this hub does not support"}
	}
	g := &Grant{Subject: c.Subject, Expires: c.ExpiresAt.Time, key: signer(t, keys)}
	if err := g.rights(c.Livemap); err != nil {
		return nil, err
	}
	return g, nil
}

// parse verifies a token. keys are those that it may be signed with.
func (v *verification) parse(raw string) (t *jwt.Token, c *claims, keys any, err error) {
	c = new(claims)
	t, err = v.parser.ParseWithClaims(raw, c, func(t *jwt.Token) (_ any, err error) {
		keys, err = v.keys.find(t)
		return keys, err
	})
	return t, c, keys, err
}

// signer returns which of the keys that a token may be signed with has signed it.
func signer(t *jwt.Token, keys any) any {
	set, several := keys.(jwt.VerificationKeySet)
	if !several {
		return keys
	}
	signed := t.Raw[:strings.LastIndexByte(t.Raw, '.')]
	for i, key := range set.Keys {
		if i == len(set.Keys)-1 || t.Method.Verify(signed, t.Signature, key) == nil {
			return key
		}
	}
	return nil
}

// latest is the last time that claims may name, in Unix seconds: the end of the year 9999. Later ones
// are mistakes, such as milliseconds.
const latest = 253402300799

// outOfRange returns the name of the first claim whose time is out of range.
func (c *claims) outOfRange() string {
	for _, claim := range []struct {
		name string
		at   *jwt.NumericDate
	}{{"exp", c.ExpiresAt}, {"nbf", c.NotBefore}, {"iat", c.IssuedAt}} {
		if claim.at != nil && (claim.at.Unix() < 0 || claim.at.Unix() > latest) {
			return claim.name
		}
	}
	return ""
}

// explain returns what is wrong with a token. It reveals no claim of a token whose signature is wrong.
func (v *verification) explain(t *jwt.Token, c *claims, err error) error {
	switch {
	case errors.Is(err, ErrNoKeys):
		return ErrNoKeys
	case errors.Is(err, jwt.ErrTokenMalformed) && t != nil && t.Header != nil && isDamaged(t.Raw):
		return &mistake{"its signature is incomplete or damaged; copy the whole token"}
	case errors.Is(err, jwt.ErrTokenMalformed) && t != nil && t.Header != nil:
		return &mistake{"its claims are not JSON, or one has a wrong type or appears twice"}
	case errors.Is(err, jwt.ErrTokenMalformed):
		return &mistake{"it is not a JSON Web Token"}
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
		if said, ok := errors.AsType[*mistake](err); ok {
			return said
		}
		if algorithm, _ := t.Header["alg"].(string); !slices.Contains(v.keys.methods, algorithm) {
			methods := strings.Join(v.keys.methods, ", ")
			return &mistake{fmt.Sprintf("its algorithm is %.20q; this hub accepts %s", algorithm, methods)}
		}
		return &mistake{"it is not signed with a key of this hub"}
	case errors.Is(err, jwt.ErrTokenExpired):
		return &mistake{"it expired at " + c.ExpiresAt.UTC().Format(time.RFC3339)}
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return &mistake{"it is not valid before " + c.NotBefore.UTC().Format(time.RFC3339)}
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return &mistake{fmt.Sprintf("its issuer is %.80q; this hub accepts %q", c.Issuer, v.rules.Issuer)}
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return &mistake{fmt.Sprintf("it is not for the audience %q", v.rules.Audience)}
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return &mistake{"it has no " + v.missing(c) + ", which this hub requires"}
	}
	return &mistake{"it is not valid"}
}

// isDamaged reports whether the signature of a token is not base64url.
func isDamaged(raw string) bool {
	_, err := base64.RawURLEncoding.Strict().DecodeString(raw[strings.LastIndexByte(raw, '.')+1:])
	return err != nil
}
