package api

import (
	"encoding/json"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"

	"livemap/api/problem"
	"livemap/geo"
	"livemap/stream"
)

// Limits of a page of a list.
const (
	defaultLimit = 100 // vehicles or topics
	maxLimit     = 1000
	maxSearch    = 256 // bytes
)

// vehicles answers with a page of the vehicles that the reader may read.
func (a *API) vehicles(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r, "q", "topic", "bbox", "state", "near", "limit", "after")
	words, part, near, state := p.search(), p.part(geo.CheckVehicleID), p.point("near"), p.state()
	if near != nil && part.After != "" {
		p.invalid("after", "does not go with near, which has one page of up to limit vehicles")
	}
	var q stream.Query
	if err := p.scope(r, &q); err != nil {
		return err
	}
	var match func([]byte) bool
	examined := 0
	if len(words) > 0 {
		match = geo.NewSearch(words).Match
	}
	if state != "" {
		match = a.inState(state, match)
	}
	if match != nil || near != nil {
		examined = a.Hub.SnapshotSize(q.Topics)
	}
	release, err := a.acquireRead(r, examined)
	if err != nil {
		return err
	}
	defer release()
	var page *stream.Page
	if near != nil {
		page = a.Hub.Nearest(&q, *near, part.Limit, match)
	} else {
		page = a.Hub.List(&q, part, match)
	}
	if a.unchanged(w, r, page.Tag()) {
		return nil
	}
	w.Header().Set("Content-Type", typeGeoJSON)
	if r.Method == http.MethodHead {
		return nil
	}
	page.Write(writeTo(w))
	return nil
}

// inState chooses the vehicles that are in a state now, of those that match chooses; nil: of all.
func (a *API) inState(state geo.State, match func([]byte) bool) func([]byte) bool {
	now, quietFrom := a.Hub.Freshness()
	return func(feature []byte) bool {
		return geo.StateOf(feature, now, quietFrom) == state && (match == nil || match(feature))
	}
}

// topicsPage is the answer to GET /topics.
type topicsPage struct {
	Topics []listedTopic `json:"topics"`
	Next   string        `json:"next,omitempty"`
}

type listedTopic struct {
	ID       string `json:"id"`
	Vehicles int    `json:"vehicles"`
}

// topics answers with a page of the topics that have vehicles, and that the reader may read by themselves.
func (a *API) topics(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r, "q", "limit", "after")
	p.refuse("GET /topics has q, limit and after", "topic", "bbox")
	words, part := p.search(), p.part(geo.CheckTopic)
	if p.err != nil {
		return p.err
	}
	grant := grantOf(r)
	if grant != nil && len(grant.Read) == 0 {
		return errReadsNothing()
	}
	release, err := a.acquireRead(r, 0)
	if err != nil {
		return err
	}
	defer release()
	topics, next := a.Hub.Topics(part, func(id string) bool {
		return (grant == nil || grant.Read.Match(id)) && words.In(id)
	})
	page := topicsPage{Topics: make([]listedTopic, len(topics)), Next: next}
	for i, t := range topics {
		page.Topics[i] = listedTopic(t)
	}
	text, err := json.Marshal(page)
	if err != nil {
		return err
	}
	hash := fnv.New64a()
	hash.Write(text)
	if a.unchanged(w, r, strconv.FormatUint(hash.Sum64(), 36)) {
		return nil
	}
	w.Header().Set("Content-Type", typeJSON)
	w.Write(append(text, '\n')) // a failure is the client's connection
	return nil
}

// unchanged sets the ETag of an answer to one that names a tag. It answers with 304 if the client has that.
func (a *API) unchanged(w http.ResponseWriter, r *http.Request, tag string) bool {
	etag := `W/"` + tag + `"` // weak: see snapshot
	w.Header().Set("ETag", etag)
	w.Header().Set("Cache-Control", "no-cache")
	if !matches(r.Header.Values("If-None-Match"), etag) {
		return false
	}
	w.WriteHeader(http.StatusNotModified)
	return true
}

// refuse rejects parameters that would change an answer, if only the hub had them.
func (p *params) refuse(has string, names ...string) {
	for _, name := range names {
		if p.values.Has(name) {
			p.invalid(name, "is not supported; %s", has)
		}
	}
}

// search returns the words of the parameter q.
func (p *params) search() geo.Words {
	text, _ := p.single("q")
	if len(text) > maxSearch {
		p.invalid("q", "has %d bytes; it may have %d", len(text), maxSearch)
		return nil
	}
	return geo.ParseWords(text)
}

// state returns the parameter state, "" if it is not given.
func (p *params) state() (state geo.State) {
	if text, given := p.single("state"); given {
		var err error
		if state, err = geo.ParseState(problem.Shorten(text)); err != nil {
			p.invalid("state", "is invalid: %v", err)
		}
	}
	return state
}

// part returns the part of a list that the parameters limit and after name.
func (p *params) part(check func(id string) error) stream.Part {
	part := stream.Part{Limit: defaultLimit}
	if text, given := p.single("limit"); given {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			p.invalid("limit", "is %q; it must be a whole number from 1 to %d", problem.Shorten(text), maxLimit)
		}
		part.Limit = n
	}
	if after, _ := p.single("after"); after != "" {
		if err := check(after); err != nil {
			p.invalid("after", "is invalid: %v; it must be the next of the page before", err)
		}
		part.After = strings.Clone(after)
	}
	return part
}
