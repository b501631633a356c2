package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"livemap/api/token"
	"livemap/stream"
)

// cookieName is the session cookie's. A browser takes a name that begins so only
// over TLS, and for this host alone.
const cookieName = "__Host-livemap"

type grantKey struct{}

// grantOf gives what a request's token allows; nil where everything is.
func grantOf(r *http.Request) *token.Grant {
	grant, _ := r.Context().Value(grantKey{}).(*token.Grant)
	return grant
}

// readers lets those read who may. What they may is judged by who knows what is
// asked for.
func (a *API) readers(next http.Handler) http.Handler {
	if a.Anonymous {
		return next
	}
	return a.handle(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Add("Vary", "Authorization, Cookie")
		grant, err := a.grant(r)
		if err != nil {
			return err
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), grantKey{}, grant)))
		return nil
	})
}

// grant verifies the token of a request: the header's, or else the cookie's.
func (a *API) grant(r *http.Request) (*token.Grant, error) {
	raw, err := bearer(r)
	if err != nil {
		return nil, err
	}
	if raw == "" {
		cookie, err := r.Cookie(cookieName)
		if err != nil {
			return nil, unauthorized("")
		}
		if !a.mayBringCookies(r) {
			return nil, unauthorized("its cookie is taken from pages of this hub only, and of origins that --allow-origin lists")
		}
		raw = cookie.Value
	}
	grant, err := a.Tokens.Verify(raw)
	if err != nil {
		return nil, unauthorized(err.Error())
	}
	return grant, nil
}

// bearer gives the token in a request's header (RFC 6750, section 2.1); "" if there
// is none.
func bearer(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", nil
	}
	scheme, raw, _ := strings.Cut(values[0], " ")
	if raw = strings.TrimSpace(raw); len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || raw == "" {
		return "", unauthorized("the header must be given once, as Authorization: Bearer and a token")
	}
	return raw, nil
}

// unauthorized asks for a token, or says what is wrong with the one there was.
func unauthorized(mistake string) *problem {
	challenge := `Bearer realm="livemap"`
	if mistake == "" {
		return wrong(http.StatusUnauthorized, "a token is needed, in Authorization: Bearer or as the cookie that POST /session sets; one in a URL is not taken").
			with("WWW-Authenticate", challenge)
	}
	described := strings.Map(func(c rune) rune { // what RFC 6750, section 3, allows in it
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return '\''
		}
		return c
	}, mistake)
	return wrong(http.StatusUnauthorized, "the token is not taken: %s", mistake).
		with("WWW-Authenticate", challenge+`, error="invalid_token", error_description="`+described+`"`)
}

// mayBringCookies tells whether a request comes from a page that may read with its
// user's cookie. Browsers say so; others send no cookie that they were not given.
func (a *API) mayBringCookies(r *http.Request) bool {
	switch origin := r.Header.Get("Origin"); {
	case origin != "" && slices.Contains(a.Origins, origin):
		return true
	case r.Header.Get("Sec-Fetch-Site") != "":
		return slices.Contains([]string{"same-origin", "none"}, r.Header.Get("Sec-Fetch-Site"))
	case origin != "":
		from, err := url.Parse(origin)
		return err == nil && from.Host == r.Host
	}
	return true
}

// restrict has a query hold to what its reader may read. asked: its topics were
// asked for, else it is for all there is.
func restrict(q *stream.Query, grant *token.Grant, asked bool) error {
	if grant == nil {
		return nil
	}
	q.Until = grant.Ends(time.Now())
	if asked {
		for _, topic := range q.Topics {
			if !grant.Read.Match(topic) {
				return wrong(http.StatusForbidden, "this token may not read the topic %q", shorten(topic))
			}
		}
		return nil
	}
	if len(grant.Read) == 0 {
		return wrong(http.StatusForbidden, "this token may read nothing: its claim livemap has no read")
	}
	ids := !slices.ContainsFunc(grant.Read, func(pattern string) bool { return strings.HasSuffix(pattern, "*") })
	if ids && q.Box == nil && len(grant.Read) <= maxTopics {
		q.Topics = slices.Clone(grant.Read) // for which there are indexes
	} else {
		q.Only = grant.Read
	}
	return nil
}

// mayReadVehicle refuses those who may not read of a vehicle by itself.
func mayReadVehicle(r *http.Request, id string) error {
	grant := grantOf(r)
	if grant == nil || grant.Read.Match(stream.VehiclePrefix+id) || grant.Read.Match(stream.AllTopic) {
		return nil
	}
	return wrong(http.StatusForbidden, "this token may not read the topic %q", shorten(stream.VehiclePrefix+id))
}

// session is what GET /session tells.
type session struct {
	Anonymous bool           `json:"anonymous,omitempty"` // nobody needs a token
	Subject   string         `json:"subject,omitempty"`
	Expires   int64          `json:"expires,omitempty"` // Unix seconds
	Read      token.Patterns `json:"read,omitempty"`
	Publish   token.Patterns `json:"publish,omitempty"`
	Topics    token.Patterns `json:"topics,omitempty"`
}

// openSession makes the header's token a cookie, for EventSource can send no header.
func (a *API) openSession(w http.ResponseWriter, r *http.Request) error {
	if a.Tokens == nil {
		return wrong(http.StatusNotFound, "this hub takes no tokens; whoever reaches it may read")
	}
	raw, err := bearer(r)
	if err != nil {
		return err
	}
	if raw == "" {
		return unauthorized("it must be in Authorization: Bearer")
	}
	grant, err := a.Tokens.Verify(raw)
	if err != nil {
		return unauthorized(err.Error())
	}
	a.setCookie(w, raw, max(1, int(time.Until(grant.Ends(time.Now())).Seconds())))
	return writeJSON(w, sessionOf(grant))
}

func (a *API) setCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: maxAge, Secure: true, HttpOnly: true, SameSite: a.CookieSameSite,
	})
}

// closeSession takes the cookie back.
func (a *API) closeSession(w http.ResponseWriter, _ *http.Request) error {
	a.setCookie(w, "", -1)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// tellSession tells who the reader is and what they may, or what is wrong.
func (a *API) tellSession(w http.ResponseWriter, r *http.Request) error {
	if a.Anonymous {
		return writeJSON(w, session{Anonymous: true})
	}
	grant, err := a.grant(r)
	if err != nil {
		return err
	}
	return writeJSON(w, sessionOf(grant))
}

func sessionOf(grant *token.Grant) session {
	return session{Subject: grant.Subject, Expires: grant.Expires.Unix(), Read: grant.Read, Publish: grant.Publish, Topics: grant.Topics}
}

func writeJSON(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(value) // what fails is the client's connection
	return nil
}
