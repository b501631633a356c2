package api

import (
	"encoding/json"
	"net/http"

	"livemap/api/problem"
	"livemap/api/token"
)

// maxCookie is the largest cookie that browsers keep, in bytes of name and value (RFC 6265bis,
// section 5.7).
const maxCookie = 4096

// session is the answer of GET /session.
type session struct {
	Anonymous bool           `json:"anonymous,omitempty"` // reading needs no token
	Subject   string         `json:"subject,omitempty"`
	Expires   int64          `json:"expires,omitempty"` // Unix seconds
	Read      token.Patterns `json:"read,omitempty"`
	Publish   token.Patterns `json:"publish,omitempty"`
	Topics    token.Patterns `json:"topics,omitempty"`
	Fences    token.Patterns `json:"fences,omitempty"`
}

// sessionOf returns the session of a grant; nil: everyone may read.
func sessionOf(grant *token.Grant) session {
	if grant == nil {
		return session{Anonymous: true}
	}
	return session{
		Subject: grant.Subject, Expires: grant.Expires.Unix(),
		Read: grant.Read, Publish: grant.Publish, Topics: grant.Topics, Fences: grant.Fences,
	}
}

// getSession answers with the reader's subject and rights.
func (a *API) getSession(w http.ResponseWriter, r *http.Request) error {
	return writeJSON(w, sessionOf(grantOf(r)))
}

// openSession sets the header's token as a cookie, because EventSource sends no header.
func (a *API) openSession(w http.ResponseWriter, r *http.Request) error {
	if a.Anonymous {
		return problem.New(http.StatusNotFound, "this hub lets everyone read; it needs no sign-in")
	}
	raw, err := bearerToken(r)
	if err != nil {
		return err
	}
	if raw == "" {
		return unauthorized("a token is needed in Authorization: Bearer")
	}
	grant, err := a.verify(raw)
	if err != nil {
		return err
	}
	if size := len(cookieName) + len(raw); size > maxCookie {
		return problem.New(http.StatusBadRequest,
			"as a cookie, this token has %d bytes; browsers keep at most %d", size, maxCookie)
	}
	a.setCookie(w, raw, max(1, int(grant.Expires.Sub(a.Clock()).Seconds())))
	return writeJSON(w, sessionOf(grant))
}

// closeSession deletes the cookie.
func (a *API) closeSession(w http.ResponseWriter, _ *http.Request) error {
	a.setCookie(w, "", -1)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) setCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: maxAge,
		Secure: true, HttpOnly: true, SameSite: a.CookieSameSite,
	})
}

func writeJSON(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", typeJSON)
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(value) // a failure is the client's connection
	return nil
}
