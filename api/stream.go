package api

import (
	"cmp"
	"context"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"livemap/api/problem"
	"livemap/api/transport"
	"livemap/stream"
)

// stream serves Server-Sent Events (WHATWG HTML, section 9.2).
func (a *API) stream(w http.ResponseWriter, r *http.Request) error {
	query, err := streamQuery(r)
	if err != nil {
		return err
	}
	query.Revoked = a.revokedOf(r)
	if !acceptsEvents(r) {
		return problem.New(http.StatusNotAcceptable,
			"the hub sends text/event-stream here, which the request's Accept excludes")
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	header.Set("Cache-Control", "no-store, no-transform")
	header.Set("X-Accel-Buffering", "no")
	if r.Method == http.MethodHead {
		return nil
	}
	if r.ProtoMajor > 1 && r.Context().Err() != nil {
		return nil // the client has gone, as in an attack of rapid resets
	}
	if a.Full != nil && a.Full() {
		return a.rejectStream(w, &query, "memory")
	}
	release, ok := a.acquireStream(r)
	if !ok {
		return a.rejectStream(w, &query, string(stream.TooMany))
	}
	if r.ProtoMajor == 1 {
		header.Set("Connection", "close") // the stream's end is the connection's
	}
	a.serveStream(w, r, query, release)
	return nil
}

// streamQuery reads the parameters of a stream.
func streamQuery(r *http.Request) (q stream.Query, err error) {
	p := paramsOf(r, "topic", "bbox", "interval", "snapshot", "ping", "lastEventId")
	p.refuse("a stream is of the present", "from", "to", "speed", "skip")
	q.Interval = p.duration("interval", minInterval, maxInterval)
	q.Ping = p.duration("ping", minPing, maxPing)
	q.Tail = !p.flag("snapshot", true)
	q.LastEventID, _ = p.single("lastEventId")
	q.LastEventID = cmp.Or(r.Header.Get("Last-Event-ID"), q.LastEventID)
	q.Protocol = protocol(r)
	return q, p.scope(r, &q)
}

// acceptsEvents reports whether Accept allows an event stream (RFC 9110, section 12.5.1).
func acceptsEvents(r *http.Request) bool {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return true
	}
	best := -1 // how specific the deciding range is
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

// serveStream writes the stream, logs it and counts it. It calls release at the end.
func (a *API) serveStream(w http.ResponseWriter, r *http.Request, q stream.Query, release func()) {
	if answer, ok := w.(*transport.Answer); ok {
		w = answer.Release()
	}
	l := a.logOpened(r, &q)
	l.release, l.until = release, q.Until
	timeout := transport.WriteTimeout{Stall: a.StallTimeout, Until: q.Until}
	if conn := a.takeOver(w, r, timeout); conn != nil {
		s := a.Hub.Subscribe(q)
		s.Attach(conn, func(summary stream.Summary) {
			l.closed(summary, errors.Is(summary.Err, transport.ErrGone))
			conn.Close(summary.Err != nil)
		})
		conn.OnGone(s.Leave, s.Probe)
		return
	}
	s, ctx := a.Hub.Subscribe(q), r.Context()
	if r.ProtoMajor == 1 {
		// Here the context ends when the client will send no more, and it may read on.
		ctx = context.WithoutCancel(ctx)
		defer context.AfterFunc(r.Context(), s.Probe)()
	}
	summary := s.Serve(ctx, transport.NetHTTP(w, r, timeout))
	l.closed(summary, r.Context().Err() != nil)
	if summary.Err != nil {
		// Otherwise a stream that was cut would look complete to the client.
		panic(http.ErrAbortHandler)
	}
}

// takeOver takes the connection of a stream over from the server, so that the stream costs neither a
// goroutine nor buffers. It returns nil where it cannot.
func (a *API) takeOver(
	w http.ResponseWriter, r *http.Request, timeout transport.WriteTimeout,
) transport.Connection {
	if r.ProtoMajor == 1 {
		return transport.HTTP1(w, r, &a.hangups, timeout)
	}
	if a.TakeOver != nil {
		return a.TakeOver(w, r, timeout)
	}
	return nil
}

// streamLog logs and counts one stream.
type streamLog struct {
	api                      *API
	began                    time.Time
	client, protocol, topics string
	release                  func() // of the client's streams
	until                    time.Time
}

// logOpened logs and counts that a stream began.
func (a *API) logOpened(r *http.Request, q *stream.Query) *streamLog {
	asked := q.Topics
	if len(q.Only) > 0 {
		asked = q.Only // everything the reader may read
	}
	// Neither the query nor an invalid id is logged: a client may have put a secret there.
	topics := problem.Shorten(strings.Join(asked, " "))
	l := &streamLog{api: a, began: time.Now(), client: clientAddress(r), protocol: q.Protocol, topics: topics}
	a.Metrics.open.WithLabelValues(l.protocol).Inc()
	a.Log.Info("stream opened", "client", l.client, "protocol", l.protocol, "topics", l.topics,
		"bbox", q.Box != nil, "interval", q.Interval.String(), "last_event_id", loggedID(q.LastEventID))
	return l
}

// loggedID returns a Last-Event-ID for the log.
func loggedID(text string) string {
	if text == "" || stream.IsID(text) {
		return text
	}
	return "not an id"
}

// closed logs and counts that the stream ended. gone: the client had disconnected.
func (l *streamLog) closed(summary stream.Summary, gone bool) {
	var panicked *stream.Panic
	if errors.As(summary.Err, &panicked) {
		l.api.logPanic(panicked.Value, panicked.Stack,
			"client", l.client, "protocol", l.protocol, "topics", l.topics)
	}
	reason := closeReason(summary, gone, l.until, l.api.Clock())
	l.release()
	l.api.Metrics.open.WithLabelValues(l.protocol).Dec()
	l.api.Metrics.closed.WithLabelValues(reason).Inc()
	l.api.Log.Info("stream closed", "client", l.client, "protocol", l.protocol, "topics", l.topics,
		"reason", reason, "duration", time.Since(l.began).Round(time.Millisecond).String(),
		"events", summary.Events, "bytes", summary.Bytes)
}

// closeReason returns why a stream was closed: stalled, client (it disconnected), write (the
// connection failed), or a reason of `bye`.
func closeReason(summary stream.Summary, gone bool, until, now time.Time) string {
	stalled := errors.Is(summary.Err, transport.ErrStalled)
	switch {
	case stalled && !until.IsZero() && now.After(until):
		return string(stream.Outdated) // the reader did not read its `bye`
	case stalled:
		return "stalled"
	case summary.Reason == stream.Failed && gone:
		return string(stream.Cancelled)
	}
	return string(summary.Reason)
}
