// Package token tells who may: it verifies JSON Web Tokens (RFC 7519) and reads
// what they allow.
package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
)

// Leeway is by how much the clocks of the hub and of who made a token may differ.
const Leeway = time.Minute

// Grant is what a token allows.
type Grant struct {
	Subject string    // "": the token names none
	Expires time.Time // the token's exp
	Read    Patterns  // of topics
	Publish Patterns  // of vehicle ids
	Topics  Patterns  // that a publisher may name
}

// Ends is when what was begun with the grant at a time is to end: when the token
// expires, or, where it was taken within the leeway, when that is over.
func (g *Grant) Ends(begun time.Time) time.Time {
	if begun.Before(g.Expires) {
		return g.Expires
	}
	return g.Expires.Add(Leeway)
}

// Rules are what a token must be like, beyond its signature.
type Rules struct {
	Issuer   string           // "": any
	Audience string           // "": any
	Clock    func() time.Time // nil: time.Now
}

// Verifier verifies tokens.
type Verifier struct {
	keys   *Keys
	rules  Rules
	parser *jwt.Parser
}

// NewVerifier makes a Verifier of tokens signed with one of the keys.
func NewVerifier(keys *Keys, rules Rules) *Verifier {
	options := []jwt.ParserOption{
		jwt.WithValidMethods(keys.methods), jwt.WithLeeway(Leeway), jwt.WithExpirationRequired(), jwt.WithStrictDecoding(),
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
	return &Verifier{keys, rules, jwt.NewParser(options...)}
}

// claims are those that the hub reads.
type claims struct {
	jwt.RegisteredClaims
	Livemap json.RawMessage `json:"livemap"` // rights; read when the signature is known to be right
}

// UnmarshalJSON reads claims by names to the letter, each once: case says apart what
// an issuer vouches for from what it lets others add (RFC 7519, section 4).
func (c *claims) UnmarshalJSON(text []byte) error {
	type members claims
	return jsonv2.Unmarshal(text, (*members)(c))
}

// rights reads the claim livemap into a grant. Members that it does not know it
// ignores, as RFC 7519 has it for claims.
func (g *Grant) rights(claim json.RawMessage) error {
	if len(claim) == 0 {
		return nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(claim, &members) != nil || members == nil {
		return &mistake{"its claim livemap must be an object"}
	}
	for name, into := range map[string]*Patterns{"read": &g.Read, "publish": &g.Publish, "topics": &g.Topics} {
		if value, given := members[name]; given {
			if err := into.UnmarshalJSON(value); err != nil {
				return &mistake{fmt.Sprintf("in its claim livemap, %s %v", name, err)}
			}
		}
	}
	return nil
}

// missing names the claim that is required and not there.
func (v *Verifier) missing(c *claims) string {
	switch {
	case c.ExpiresAt == nil:
		return "exp"
	case c.Issuer == "" && v.rules.Issuer != "":
		return "iss"
	}
	return "aud"
}

// mistake is what is wrong with a token, in words for who sent it.
type mistake struct{ text string }

func (m *mistake) Error() string { return m.text }

// Verify gives what a token allows. The error is ErrNoKeys, or says what is wrong with
// the token, in words that may be told to whoever sent it: "it expired at …".
func (v *Verifier) Verify(raw string) (*Grant, error) {
	t, c, err := v.parse(raw)
	if errors.Is(err, jwt.ErrTokenSignatureInvalid) && v.keys.renew != nil && t.Header["kid"] == nil && v.keys.renew() {
		t, c, err = v.parse(raw) // no kid tells of new keys
	}
	if name := c.outOfRange(); name != "" && (err == nil || errors.Is(err, jwt.ErrTokenInvalidClaims)) { // which are read once the signature is right
		return nil, &mistake{"its " + name + " is out of range; it must be in seconds since 1970, up to the year 9999"}
	}
	if err != nil {
		return nil, v.explain(t, c, err)
	}
	if _, critical := t.Header["crit"]; critical { // RFC 7515, section 4.1.11
		return nil, &mistake{"its header has crit, of which this hub understands nothing"}
	}
	g := &Grant{Subject: c.Subject, Expires: c.ExpiresAt.Time}
	if err := g.rights(c.Livemap); err != nil {
		return nil, err
	}
	return g, nil
}

func (v *Verifier) parse(raw string) (*jwt.Token, *claims, error) {
	c := new(claims)
	t, err := v.parser.ParseWithClaims(raw, c, v.keys.find)
	return t, c, err
}

// latest is the last time that claims may name, in Unix seconds: the end of the year
// 9999. Others do not mean it: milliseconds, for one.
const latest = 253402300799

// outOfRange names the first claim that is no time.
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

// explain says what is wrong with a token. Of one whose signature is wrong it
// tells nothing that stands in it.
func (v *Verifier) explain(t *jwt.Token, c *claims, err error) error {
	switch {
	case errors.Is(err, ErrNoKeys):
		return ErrNoKeys
	case errors.Is(err, jwt.ErrTokenMalformed) && t != nil && t.Header != nil && isDamaged(t.Raw):
		return &mistake{"its signature is cut off or damaged; was all of it copied?"}
	case errors.Is(err, jwt.ErrTokenMalformed) && t != nil && t.Header != nil:
		return &mistake{"its claims are not JSON, each of its type and there once"}
	case errors.Is(err, jwt.ErrTokenMalformed):
		return &mistake{"it is not a JSON Web Token"}
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
		if said, ok := errors.AsType[*mistake](err); ok {
			return said
		}
		if algorithm, _ := t.Header["alg"].(string); !slices.Contains(v.keys.methods, algorithm) {
			return &mistake{fmt.Sprintf("its algorithm is %.20q; this hub takes %s", algorithm, strings.Join(v.keys.methods, ", "))}
		}
		return &mistake{"it is not signed with a key of this hub"}
	case errors.Is(err, jwt.ErrTokenExpired):
		return &mistake{"it expired at " + c.ExpiresAt.UTC().Format(time.RFC3339)}
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return &mistake{"it is not valid before " + c.NotBefore.UTC().Format(time.RFC3339)}
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return &mistake{fmt.Sprintf("its issuer is %.80q; this hub takes %q", c.Issuer, v.rules.Issuer)}
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return &mistake{fmt.Sprintf("it is not for the audience %q", v.rules.Audience)}
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return &mistake{"it has no " + v.missing(c) + ", and must have one"}
	}
	return &mistake{"it is not valid"}
}

// isDamaged tells that the last part of a token, its signature, is no base64url.
func isDamaged(raw string) bool {
	_, err := base64.RawURLEncoding.Strict().DecodeString(raw[strings.LastIndexByte(raw, '.')+1:])
	return err != nil
}
