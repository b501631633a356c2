package api

import (
	"errors"
	"hash/fnv"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"livemap/api/problem"
	"livemap/geo"
	"livemap/stream"
)

// compress returns middleware that compresses JSON, GeoJSON and YAML for clients that accept it.
func compress() func(http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.ContentTypes([]string{typeGeoJSON, typeJSON, typeYAML}))
	if err != nil {
		panic("api: " + err.Error()) // the options are constant
	}
	return func(next http.Handler) http.Handler { return wrap(next) }
}

// snapshot answers with the last-known positions in scope, as a FeatureCollection.
func (a *API) snapshot(w http.ResponseWriter, r *http.Request) error {
	var q stream.Query
	p := paramsOf(r, "topic", "bbox")
	p.refuse("a snapshot is of the present", "at")
	if err := p.scope(r, &q); err != nil {
		return err
	}
	release, err := a.acquireRead(r, a.Hub.SnapshotSize(q.Topics))
	if err != nil {
		return err
	}
	defer release()
	snapshot := a.Hub.Snapshot(q.Topics, q.Box, q.Only...)
	// Weak, because it names the compressed answer too (RFC 9110, section 8.8.3.3).
	etag := `W/"` + snapshot.ID.String() + grantTag(r) + stateTag(snapshot) + `"`
	header := w.Header()
	header.Set("ETag", etag)
	header.Set("Last-Event-ID", snapshot.ID.String())
	header.Set("Cache-Control", "no-cache")
	if matches(r.Header.Values("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	header.Set("Content-Type", typeGeoJSON)
	if r.Method == http.MethodHead {
		return nil
	}
	snapshot.Write(writeTo(w))
	return nil
}

// stateTag returns the part of an ETag that differs while the hub is frozen, and after it was.
func stateTag(s *stream.Snapshot) (tag string) {
	if !s.QuietFrom.IsZero() {
		tag = "." + strconv.FormatInt(s.QuietFrom.UnixMilli(), 36)
	}
	if s.Frozen {
		tag += ".frozen"
	}
	return tag
}

// grantTag returns the part of an ETag that differs for readers with different rights.
func grantTag(r *http.Request) string {
	grant := grantOf(r)
	if grant == nil {
		return ""
	}
	hash := fnv.New64a()
	for _, pattern := range grant.Read {
		io.WriteString(hash, pattern+"\n") // no pattern holds a line break
	}
	return "-" + strconv.FormatUint(hash.Sum64(), 36)
}

// matches reports whether If-None-Match names the tag, which holds no comma (RFC 9110, section
// 13.1.2).
func matches(ifNoneMatch []string, etag string) bool {
	for _, tag := range strings.Split(strings.Join(ifNoneMatch, ","), ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}

// vehicle answers with a vehicle's last-known Feature.
func (a *API) vehicle(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, geo.CheckVehicleID)
	if err != nil {
		return err
	}
	if err := authorizeRead(r, id); err != nil {
		return err
	}
	release, err := a.acquireRead(r, 0)
	if err != nil {
		return err
	}
	defer release()
	feature, _, ok := a.Hub.Vehicle(id)
	if !ok {
		return unknownVehicle(id)
	}
	w.Header().Set("Content-Type", typeGeoJSON)
	w.Header().Set("Cache-Control", "no-cache")
	w.Write(append(feature[:len(feature):len(feature)], '\n')) // a copy: a slow reader keeps no part of the log
	return nil
}

// track answers with the positions of a vehicle that the log holds.
func (a *API) track(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, geo.CheckVehicleID)
	if err != nil {
		return err
	}
	if err := authorizeRead(r, id); err != nil {
		return err
	}
	p := paramsOf(r, "from", "to", "since")
	p.refuse("a track has from, to and since", "format", "simplify")
	now := a.Clock()
	from, to := p.time("from", now), p.time("to", now)
	if since := p.time("since", now); p.values.Has("since") {
		if p.values.Has("from") {
			p.invalid("since", "is another name of from; give one of them")
		}
		from = since
	}
	if !to.IsZero() && to.Before(from) {
		p.invalid("to", "is before from")
	}
	if p.err != nil {
		return p.err
	}
	release, err := a.acquireRead(r, a.Hub.TrackSize(id))
	if err != nil {
		return err
	}
	defer release()
	track, ok := a.Hub.Track(id, from, to)
	if !ok {
		return unknownVehicle(id)
	}
	w.Header().Set("Content-Type", typeGeoJSON)
	w.Header().Set("Cache-Control", "no-cache")
	if r.Method == http.MethodHead {
		return nil
	}
	track.Write(writeTo(w))
	return nil
}

func unknownVehicle(id string) error {
	return problem.New(http.StatusNotFound, "the hub knows no vehicle %q", id)
}

// writeTo returns a function that writes to an answer. A failure is the client's connection, and the answer
// is aborted.
func writeTo(w http.ResponseWriter) func([]byte) error {
	return func(p []byte) error {
		_, err := w.Write(p)
		return err
	}
}

// openAPI answers with the OpenAPI description of the API.
func (a *API) openAPI(w http.ResponseWriter, r *http.Request) error {
	release, err := a.acquireRead(r, 0) // it is compressed for each
	if err != nil {
		return err
	}
	defer release()
	w.Header().Set("Content-Type", typeYAML)
	w.Header().Set("Cache-Control", "no-cache")
	w.Write(a.OpenAPI)
	return nil
}

// page answers with the map, or one of its files.
func (a *API) page(w http.ResponseWriter, r *http.Request) error {
	err := a.Page(w, r)
	if errors.Is(err, fs.ErrNotExist) {
		return problem.New(http.StatusNotFound,
			"the hub has nothing at %s; reload a page that was open while the hub was replaced",
			strconv.QuoteToASCII(r.URL.Path))
	}
	return err
}

// publishOnWrongPort answers a publisher on the public port with the address of the internal one.
func (a *API) publishOnWrongPort(http.ResponseWriter, *http.Request) error {
	return problem.New(http.StatusNotFound,
		"this port accepts no positions; publish them on the internal port, %s", a.PublishAddress)
}

// healthz answers as long as the process runs.
func (a *API) healthz(w http.ResponseWriter, _ *http.Request) error { return writeText(w, "ok\n") }

// readyz answers 200 while the hub accepts positions and streams, and 503 while it drains or cannot prove
// that it is up to date. It also says why the journal takes nothing, and which hubs are missing.
func (a *API) readyz(w http.ResponseWriter, _ *http.Request) error {
	if a.draining.Err() != nil {
		return errDraining()
	}
	missing := ""
	if a.Missing != nil {
		missing = a.Missing()
	}
	if since, frozen := a.Hub.Frozen(); frozen {
		answer := errFrozen(since, a.Hub.JournalError())
		if missing != "" {
			answer.Detail += "; " + missing
		}
		return answer
	}
	if _, differ := a.Hub.StatesDiffer(); errors.Is(differ, stream.ErrUndecided) {
		return problem.New(http.StatusServiceUnavailable, "%s", strings.TrimPrefix(differ.Error(), "stream: "))
	}
	if missing != "" {
		return writeText(w, "ready; "+missing+"\n")
	}
	return writeText(w, "ready\n")
}

// errFrozen says since when the hub has not heard from its journal, and why, if that is known.
func errFrozen(since time.Time, why error) *problem.Problem {
	detail := "the journal has not answered since " + since.UTC().Format(time.RFC3339)
	if why != nil {
		detail += ": " + strings.TrimPrefix(why.Error(), "stream: ")
	}
	return problem.New(http.StatusServiceUnavailable, "%s", detail).With("Retry-After", strconv.Itoa(retryAfter))
}

func writeText(w http.ResponseWriter, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Write([]byte(text))
	return nil
}
