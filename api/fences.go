package api

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"livemap/api/problem"
	"livemap/geo"
	"livemap/geo/geofence"
	"livemap/stream"
)

// putFence makes a fence, or changes it.
func (a *API) putFence(w http.ResponseWriter, r *http.Request) error {
	id, err := a.fenceToChange(r)
	if err != nil {
		return err
	}
	match, err := matchOf(r)
	if err != nil {
		return err
	}
	given := r.Header.Get("Content-Type")
	// Pages of other sites cannot send these types without being asked for: see Fetch, section 3.2.
	if media, _, err := mime.ParseMediaType(given); err != nil || media != typeJSON && media != typeGeoJSON {
		return problem.New(http.StatusUnsupportedMediaType, "Content-Type is %q; a fence is %s or %s",
			problem.Shorten(given), typeGeoJSON, typeJSON).With("Accept", typeGeoJSON+", "+typeJSON)
	}
	d := documents.Get().(*document)
	defer d.release()
	d.reader.request, d.reader.budget = r, &a.bodies
	if err := d.read(w, r); err != nil {
		return err
	}
	if d.body.Len() > geofence.MaxFeature {
		return problem.New(http.StatusRequestEntityTooLarge, "the fence has %d bytes; it may have %d",
			d.body.Len(), geofence.MaxFeature)
	}
	f, err := geofence.Parse(id, d.body.Bytes())
	if err != nil {
		return problem.New(http.StatusBadRequest, "%s", err)
	}
	came, err := a.Hub.PutFence(f, makerOf(r), match)
	if err != nil {
		return err
	}
	status := http.StatusOK
	switch came.FenceChange {
	case stream.FenceMade:
		status = http.StatusCreated
	case stream.FenceMismatch:
		return errMismatch(id)
	case stream.FenceLimit:
		return problem.New(http.StatusConflict, "%s", came.Limit)
	}
	return writeFence(w, stream.FenceInfo{ID: id, Feature: f.Feature, Version: came.Version}, status)
}

// deleteFence deletes a fence.
func (a *API) deleteFence(w http.ResponseWriter, r *http.Request) error {
	id, err := a.fenceToChange(r)
	if err != nil {
		return err
	}
	match, err := matchOf(r)
	if err != nil {
		return err
	}
	came, err := a.Hub.DeleteFence(id, match)
	switch {
	case err != nil:
		return err
	case came.FenceChange == stream.FenceMismatch:
		return errMismatch(id)
	case came.FenceChange == stream.FenceUnknown:
		return unknownFence(id)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// fenceToChange returns the id in the path of a request that changes a fence, and rejects those who may not.
func (a *API) fenceToChange(r *http.Request) (string, error) {
	if a.draining.Err() != nil {
		return "", errDraining()
	}
	id, err := pathID(r, geo.CheckFenceID)
	if err != nil {
		return "", err
	}
	p := principalOf(r)
	switch {
	case p == nil, p.certificate != nil, p.grant != nil && p.grant.Fences.Match(id):
		return id, nil
	case p.grant == nil:
		return "", problem.New(http.StatusForbidden, "without a token, this port is for reading only")
	case len(p.grant.Fences) == 0:
		return "", problem.New(http.StatusForbidden,
			"this token may write no fences: its claim livemap has no fences")
	}
	return "", problem.New(http.StatusForbidden, "this token may not write the fence %q", problem.Shorten(id))
}

// makerOf returns who makes a fence.
func makerOf(r *http.Request) stream.Maker {
	m := stream.Maker{Name: ownerName(r)}
	if grant := grantOf(r); grant != nil {
		m.Reads, m.Limited = grant.Read, true
	}
	return m
}

// matchOf returns the condition of a request that changes a fence (RFC 9110, section 13.1).
func matchOf(r *http.Request) (m stream.Match, err error) {
	only, none := r.Header.Values("If-Match"), r.Header.Values("If-None-Match")
	switch {
	case len(only) == 0 && len(none) == 0:
		return m, nil
	case len(only) > 0 && len(none) > 0:
		return m, problem.New(http.StatusBadRequest, "a request has If-Match or If-None-Match, not both")
	case len(none) > 0:
		if len(none) > 1 || strings.TrimSpace(none[0]) != "*" {
			return m, problem.New(http.StatusBadRequest, "If-None-Match is %q; here it can be *: there is no such "+
				"fence yet", problem.Shorten(strings.Join(none, ", ")))
		}
		return stream.IfAbsent, nil
	}
	tag := strings.TrimSpace(strings.Join(only, ","))
	if tag == "*" {
		return stream.IfPresent, nil
	}
	quoted := strings.TrimPrefix(tag, "W/") // a proxy that compresses makes it weak
	if text, ok := strings.CutPrefix(quoted, `"`); ok && strings.HasSuffix(text, `"`) {
		if version, err := strconv.ParseUint(strings.TrimSuffix(text, `"`), 10, 64); err == nil {
			return stream.IfVersion(version), nil
		}
	}
	return m, problem.New(http.StatusBadRequest, "If-Match is %q; it must be one ETag of this fence, or *",
		problem.Shorten(tag))
}

func errMismatch(id string) error {
	return problem.New(http.StatusPreconditionFailed, "the fence %q is not as If-Match or If-None-Match asks; "+
		"read it again: somebody else has changed it", problem.Shorten(id))
}

func unknownFence(id string) error {
	return problem.New(http.StatusNotFound, "there is no fence %q", problem.Shorten(id))
}

// writeFence answers with a fence.
func writeFence(w http.ResponseWriter, f stream.FenceInfo, status int) error {
	w.Header().Set("Content-Type", typeGeoJSON)
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", `"`+strconv.FormatUint(f.Version, 10)+`"`)
	w.WriteHeader(status)
	w.Write(append(f.Feature[:len(f.Feature):len(f.Feature)], '\n')) // a failure is the client's connection
	return nil
}

// fence answers with a fence.
func (a *API) fence(w http.ResponseWriter, r *http.Request) error {
	id, err := readableFence(r)
	if err != nil {
		return err
	}
	release, err := a.acquireRead(r, 0)
	if err != nil {
		return err
	}
	defer release()
	f, ok := a.Hub.Fence(id)
	if !ok {
		return unknownFence(id)
	}
	tag := `"` + strconv.FormatUint(f.Version, 10) + `"`
	if matches(r.Header.Values("If-None-Match"), tag) {
		w.Header().Set("ETag", tag)
		w.Header().Set("Cache-Control", "no-cache")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return writeFence(w, f, http.StatusOK)
}

// readableFence returns the id in the path, and rejects a reader that may not read the fence.
func readableFence(r *http.Request) (string, error) {
	id, err := pathID(r, geo.CheckFenceID)
	if err != nil {
		return "", err
	}
	if !mayReadFence(r)(id) {
		return "", forbiddenTopic(stream.FencePrefix + id)
	}
	return id, nil
}

// mayReadFence returns whether a reader may read a fence.
func mayReadFence(r *http.Request) func(id string) bool {
	grant := grantOf(r)
	return func(id string) bool { return grant == nil || grant.Read.Match(stream.FencePrefix+id) }
}

// fences answers with the fences that the reader may read.
func (a *API) fences(w http.ResponseWriter, r *http.Request) error {
	if p := paramsOf(r); p.err != nil {
		return p.err
	}
	if grant := grantOf(r); grant != nil && len(grant.Read) == 0 {
		return errReadsNothing()
	}
	release, err := a.acquireRead(r, 0)
	if err != nil {
		return err
	}
	defer release()
	all := a.Hub.Fences(mayReadFence(r))
	hash := fnv.New64a() // of these alone: changes of others are not for this reader to see
	for _, f := range all {
		fmt.Fprintf(hash, "%q %d\n", f.ID, f.Version)
	}
	if a.unchanged(w, r, a.Hub.Head().Epoch+"-fences-"+strconv.FormatUint(hash.Sum64(), 36)) {
		return nil
	}
	w.Header().Set("Content-Type", typeGeoJSON)
	if r.Method == http.MethodHead {
		return nil
	}
	write := writeTo(w)
	next := `{"type":"FeatureCollection","features":[`
	for _, f := range all {
		if write([]byte(next)) != nil || write(f.Feature) != nil {
			return nil // a failure is the client's connection
		}
		next = ",\n"
	}
	if len(all) > 0 {
		next = ""
	}
	write([]byte(next + "]}\n"))
	return nil
}

// insiders is the answer to GET /fences/{id}/inside.
type insiders struct {
	Inside []insider `json:"inside"`
}

type insider struct {
	VehicleID string          `json:"vehicle_id"`
	Since     json.RawMessage `json:"since"`
	Position  json.RawMessage `json:"position"`
}

// inside answers with the vehicles inside of a fence.
func (a *API) inside(w http.ResponseWriter, r *http.Request) error {
	id, err := readableFence(r)
	if err != nil {
		return err
	}
	release, err := a.acquireRead(r, a.Hub.SnapshotSize([]string{stream.FencePrefix + id}))
	if err != nil {
		return err
	}
	defer release()
	all, ok := a.Hub.Inside(id)
	if !ok {
		return unknownFence(id)
	}
	answer := insiders{Inside: make([]insider, len(all))}
	for i, in := range all {
		answer.Inside[i] = insider{in.VehicleID, geo.AppendTime(nil, in.Since), in.Feature}
	}
	w.Header().Set("Content-Type", typeJSON)
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(answer) // a failure is the client's connection
	return nil
}

// takesBody reports whether a request's handler reads its body.
func takesBody(r *http.Request) bool {
	return r.URL.Path == "/publish" && r.Method != http.MethodOptions ||
		r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/fences/")
}
