package api

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/agnivade/levenshtein"
	"github.com/go-chi/chi/v5"

	"livemap/api/problem"
	"livemap/geo"
	"livemap/stream"
)

// Limits of the query parameters of a stream.
const (
	maxTopics   = 128
	minInterval = 100 * time.Millisecond
	maxInterval = time.Minute
	minPing     = 5 * time.Second
	maxPing     = 5 * time.Minute
)

// params reads a request's query parameters and keeps the first error. It ignores unknown
// parameters, such as those against caches, unless one nearly is known.
type params struct {
	values url.Values
	err    error
}

// paramsOf reads the query of a request whose parameters are known. It rejects a name that nearly is one of
// these: a typo in topic or bbox would open the whole fleet.
func paramsOf(r *http.Request, known ...string) *params {
	if r.URL.RawQuery == "" {
		return new(params)
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	p := &params{values: values}
	if err != nil {
		p.err = problem.New(http.StatusBadRequest, "the hub cannot parse the query: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if p.err != nil || slices.Contains(known, name) {
			continue
		}
		if meant := nearest(name, known); meant != "" {
			p.err = problem.New(http.StatusBadRequest, "there is no parameter %q; did you mean %s", name, meant)
		}
	}
	return p
}

// otherNames are what readers call parameters whose names are not similar. The keys are plain names.
var otherNames = map[string]string{
	"vehicle": "topic", "vehicles": "topic", "vehicleid": "topic", "channel": "topic", "channels": "topic",
	"bounds": "bbox", "boundingbox": "bbox", "extent": "bbox",
	"search": "q", "filter": "q", "name": "q",
	"count": "limit", "size": "limit", "pagesize": "limit", "perpage": "limit",
	"cursor": "after", "next": "after", "offset": "after", "page": "after", "skip": "after",
	"start": "after from", "begin": "from", "after": "from", "end": "to", "until": "to", "before": "to",
}

// nearest returns the known parameter that a name nearly is, in words; "" if there is none. A name is near
// if it differs in case or punctuation, begins like the other, or differs by a letter or two.
func nearest(name string, known []string) string {
	const longest = 40 // bytes
	plain := plainName(name)
	if len(name) > longest || plain == "" {
		return ""
	}
	for meant := range strings.FieldsSeq(otherNames[plain]) {
		switch {
		case !slices.Contains(known, meant):
			continue
		case strings.HasPrefix(plain, "vehicle"):
			return meant + "? The topic of a vehicle is vehicle:ID"
		}
		return meant + "?"
	}
	for _, meant := range known {
		ours := plainName(meant)
		distance := levenshtein.ComputeDistance(plain, ours)
		switch {
		case ours == "to" && distance > 0: // ts=1 and token=x are something else
		case distance <= 1 && len(plain) > 1,
			distance == 2 && len(ours) > len("bbox") && plain[0] == ours[0],
			len(plain) > 2 && (strings.HasPrefix(ours, plain) || strings.HasPrefix(plain, ours)):
			return meant + "?"
		}
	}
	return ""
}

// plainName returns a name in lower case, without all but letters and digits.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// single returns a parameter that may be there once.
func (p *params) single(name string) (value string, given bool) {
	values := p.values[name]
	if len(values) > 1 {
		p.invalid(name, "appears %d times; it may appear once", len(values))
	}
	if len(values) == 0 || p.err != nil {
		return "", false
	}
	return values[0], true
}

func (p *params) invalid(name, detail string, args ...any) {
	if p.err == nil {
		p.err = problem.New(http.StatusBadRequest, "parameter %s "+detail, append([]any{name}, args...)...)
	}
}

func (p *params) flag(name string, value bool) bool {
	text, given := p.single(name)
	switch {
	case !given:
		return value
	case text == "true", text == "false":
		return text == "true"
	}
	p.invalid(name, "is %q; it must be true or false", problem.Shorten(text))
	return value
}

func (p *params) duration(name string, least, most time.Duration) time.Duration {
	text, given := p.single(name)
	if !given {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > most {
		p.invalid(name,
			"is %q; it must be a time like 1s or 500ms, from %s to %s", problem.Shorten(text), least, most)
	}
	return d
}

func (p *params) box(name string) *geo.Box {
	text, given := p.single(name)
	if !given {
		return nil
	}
	box, err := geo.ParseBox(text)
	if err != nil {
		p.invalid(name, "is invalid: %v", err)
	}
	return &box
}

func (p *params) point(name string) *geo.Point {
	text, given := p.single(name)
	if !given {
		return nil
	}
	point, err := geo.ParsePoint(text)
	if err != nil {
		p.invalid(name, "is invalid: %v", err)
	}
	return &point
}

// time returns a parameter that is a time, perhaps relative to now; the zero time without it.
func (p *params) time(name string, now time.Time) (at time.Time) {
	text, given := p.single(name)
	if !given {
		return at
	}
	if ago, ok := parseAgo(text); ok {
		return now.Add(-ago)
	}
	at, err := geo.ParseTime(text)
	if err != nil {
		p.invalid(name, "is invalid: %v, or relative to now as in -15m or -3d", err)
	}
	return at
}

// parseAgo reads a time before now, such as -15m, -1h30m or -3d.
func parseAgo(text string) (ago time.Duration, ok bool) {
	const day, century = 24 * time.Hour, 36500
	text, ok = strings.CutPrefix(text, "-")
	if !ok {
		return 0, false
	}
	if count, found := strings.CutSuffix(text, "d"); found {
		days, err := strconv.ParseUint(count, 10, 64)
		return time.Duration(days) * day, err == nil && days <= century
	}
	ago, err := time.ParseDuration(text)
	return ago, err == nil && !strings.HasPrefix(text, "-") && !strings.HasPrefix(text, "+") && text != "0"
}

// topics returns the topics that a request names, or the topic of everything.
func (p *params) topics() []string {
	topics := p.values["topic"]
	if len(topics) == 0 {
		return []string{stream.AllTopic}
	}
	if len(topics) > maxTopics {
		p.invalid("topic", "appears %d times; a stream may have %d topics", len(topics), maxTopics)
		return nil
	}
	kept := make([]string, len(topics))
	for i, topic := range topics {
		if err := geo.CheckExactTopic(topic); err != nil {
			p.invalid("topic", "is invalid: %v", err)
		}
		kept[i] = strings.Clone(topic) // a stream must not keep the rest of its URL
	}
	return kept
}

// pathID returns the id in the path, decoded and checked. It shares no memory with the URL.
func pathID(r *http.Request, check func(string) error) (string, error) {
	id, err := url.PathUnescape(chi.URLParam(r, "id"))
	if err == nil {
		err = check(id)
	}
	if err != nil {
		return "", problem.New(http.StatusBadRequest, "the id in the path is invalid: %v", err)
	}
	return strings.Clone(id), nil
}

// scope sets the topics and the box of a query to those of a request, with or without an id in its
// path, and the end to that of the reader's token or certificate. It rejects what the reader may not read.
func (p *params) scope(r *http.Request, q *stream.Query) error {
	q.Box = p.box("bbox")
	asked := true
	if slices.Contains(chi.RouteContext(r.Context()).URLParams.Keys, "id") {
		id, err := pathID(r, geo.CheckExactTopic)
		if err != nil {
			return err
		}
		q.Topics = []string{id}
	} else {
		q.Topics, asked = p.topics(), len(p.values["topic"]) > 0
	}
	if p.err != nil {
		return p.err
	}
	q.Until = endOf(r)
	return authorizeQuery(q, grantOf(r), asked)
}
