package api

import (
	"cmp"
	"errors"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"livemap/stream"
)

// maxWrite is the largest write, in bytes, that a reader is given the whole
// stall timeout for.
const maxWrite = 16 << 10

// errStalled is a reader that did not take one write in time.
var errStalled = errors.New("the reader does not read")

// stream serves Server-Sent Events (WHATWG HTML, section 9.2).
func (a *API) stream(w http.ResponseWriter, r *http.Request) error {
	query, err := streamQuery(r)
	if err != nil {
		return err
	}
	if !acceptsEvents(r) {
		return wrong(http.StatusNotAcceptable, "this is a text/event-stream, which the request's Accept excludes")
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store, no-transform")
	header.Set("X-Accel-Buffering", "no")
	if r.Method == http.MethodHead {
		return nil
	}
	a.serveStream(w, r, query)
	return nil
}

// streamQuery reads what a stream is asked for.
func streamQuery(r *http.Request) (q stream.Query, err error) {
	p := paramsOf(r)
	q.Interval = p.duration("interval", minInterval, maxInterval)
	q.Ping = p.duration("ping", minPing, maxPing)
	q.Tail = !p.flag("snapshot", true)
	q.LastEventID, _ = p.one("lastEventId")
	q.LastEventID = cmp.Or(r.Header.Get("Last-Event-ID"), q.LastEventID)
	q.Protocol = protocol(r)
	q.Topics, q.Box, err = p.scope(r)
	return q, err
}

// acceptsEvents tells whether the request's Accept allows an event stream.
func acceptsEvents(r *http.Request) bool {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return true
	}
	best := -1 // how specific the range is that decides
	accepted := false
	for _, part := range strings.Split(accept, ",") {
		media, params, err := mime.ParseMediaType(part)
		specific := map[string]int{"*/*": 0, "text/*": 1, "text/event-stream": 2}
		rank, known := specific[media]
		if err != nil || !known || rank < best {
			continue
		}
		quality, err := strconv.ParseFloat(cmp.Or(params["q"], "1"), 64)
		best, accepted = rank, err == nil && quality > 0
	}
	return accepted
}

// serveStream writes the stream and tells log and metrics of it.
func (a *API) serveStream(w http.ResponseWriter, r *http.Request, q stream.Query) {
	// Not the query as it came: somebody may have put a secret there.
	log := a.Log.With("client", client(r), "protocol", q.Protocol, "topics", shorten(strings.Join(q.Topics, " ")))
	log.Info("stream opened", "bbox", q.Box != nil, "interval", q.Interval.String(), "last_event_id", shorten(q.LastEventID))
	open := a.Metrics.open.WithLabelValues(q.Protocol)
	open.Inc()
	began := time.Now()
	out := &streamWriter{w: w, rc: http.NewResponseController(w), stall: a.StallTimeout, clear: r.ProtoMajor == 2}

	summary := a.Hub.Subscribe(q).Serve(r.Context(), out.write)

	open.Dec()
	reason := reasonOf(summary, r)
	a.Metrics.closed.WithLabelValues(reason).Inc()
	log.Info("stream closed", "reason", reason, "duration", time.Since(began).Round(time.Millisecond).String(),
		"events", summary.Events, "bytes", summary.Bytes)
	if summary.Err != nil {
		// Else a stream that was cut would look to the client like one that ended.
		panic(http.ErrAbortHandler)
	}
}

// reasonOf says why a stream was closed, in one of a few words: stalled, client
// (it went away), write (its connection failed), and those of the hub's `bye`.
func reasonOf(summary stream.Summary, r *http.Request) string {
	switch {
	case errors.Is(summary.Err, errStalled):
		return "stalled"
	case summary.Reason == stream.Failed && r.Context().Err() != nil:
		return string(stream.Cancelled)
	}
	return string(summary.Reason)
}

// streamWriter puts bytes on the wire, or fails when the reader does not take
// them in time.
type streamWriter struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	stall time.Duration
	// clear the deadline after each write: on HTTP/2 it is a timer that resets
	// the stream even when nothing is being written.
	clear bool
}

func (s *streamWriter) write(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), maxWrite)
		if err := s.writePiece(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

func (s *streamWriter) writePiece(p []byte) error {
	began := time.Now()
	if err := s.rc.SetWriteDeadline(began.Add(s.stall)); err != nil {
		return err
	}
	_, err := s.w.Write(p)
	if err == nil {
		err = s.rc.Flush()
	}
	switch {
	case err == nil && s.clear:
		return s.rc.SetWriteDeadline(time.Time{})
	case err != nil && (errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) >= s.stall):
		return errors.Join(errStalled, err)
	}
	return err
}
