package listen

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"livemap/api/transport"
)

// maxUnsent is how many bytes a stream hands to QUIC, at most, without knowing that they were
// sent. QUIC itself accepts as much as the client allows, often megabytes: a slow reader would
// get old events. They count towards the first transport.MaxWrite bytes of a write that waits, so
// they must be fewer.
const maxUnsent = transport.MaxWrite * 3 / 4

// http3Stream is an HTTP/3 stream that was taken over from its server. It implements
// [transport.Connection].
type http3Stream struct {
	quic    *quic.Stream
	port    *quicPort // nil: of no port that counts
	conn    *quicConn // nil: not limited
	timeout transport.WriteTimeout
	urgency int8

	queued  int // bytes since all were last known to be sent
	pending transport.Pending
}

const dataFrame = 0x00 // RFC 9114, section 7.2.1

// TakeOverHTTP3 takes an HTTP/3 stream over from its server and sends its header. It returns nil
// if the response is not one over HTTP/3 of this package.
func TakeOverHTTP3(w http.ResponseWriter, r *http.Request,
	timeout transport.WriteTimeout) transport.Connection {
	streamer, ok := w.(http3.HTTPStreamer)
	if !ok {
		return nil
	}
	w.WriteHeader(http.StatusOK)
	stream, err := streamer.HTTPStream()
	if err != nil {
		return nil
	}
	// A request for a stream has no body. Reading is cancelled now: what would be needed to cancel
	// it later keeps the whole request in memory.
	stream.CancelRead(quic.StreamErrorCode(http3.ErrCodeNoError))
	port, _ := r.Context().Value(quicPortKey{}).(*quicPort)
	if port != nil {
		port.requests.Add(1)
	}
	conn := quicConnOf(r.Context())
	if conn != nil {
		conn.begin() // until Close; the handler returns before
	}
	return &http3Stream{quic: stream.QUICStream(), port: port, conn: conn, timeout: timeout,
		urgency: urgencyOf(r.Header)}
}

// urgencyOf returns the urgency in a Priority field (RFC 9218, section 4.1): 0, the highest, to 7.
func urgencyOf(header http.Header) int8 {
	urgency := int8(3)
	for member := range strings.SplitSeq(strings.Join(header.Values("Priority"), ","), ",") {
		member, _, _ = strings.Cut(strings.TrimSpace(member), ";")
		digit, ok := strings.CutPrefix(member, "u=")
		if ok && len(digit) == 1 && strings.Contains("01234567", digit) {
			urgency = int8(digit[0] - '0')
		}
	}
	return urgency
}

// share makes QUIC send the stream in turn with others of its urgency (RFC 9218, section 4.2:
// incremental). An event stream has no end, so those that come after it would otherwise never be
// sent. Browsers do not know that, and may change a priority at any time: share is called for each
// write.
func (s *http3Stream) share() { s.quic.SetPriority(s.urgency, true) }

// Write implements stream.Outlet.
func (s *http3Stream) Write(p []byte) (waits bool, err error) {
	head := quicvarint.Append(append(s.pending.Begin(), dataFrame), uint64(len(p)))
	s.pending.Rest = append(head, p...)
	if s.queued+len(s.pending.Rest) > maxUnsent {
		return true, nil
	}
	s.share()
	err = s.quic.TryWriteAll(s.pending.Rest)
	if errors.Is(err, quic.ErrWouldBlock) {
		return true, nil
	}
	s.queued += len(s.pending.Rest)
	s.pending.Drop()
	return false, s.withGone(err)
}

// Wait implements stream.Outlet. When QUIC accepts a write that had to wait, it has sent all
// before it.
func (s *http3Stream) Wait() error {
	defer s.pending.Drop()
	s.share()
	err := s.pending.Deliver(s.quic, s.timeout, min(s.queued, maxUnsent))
	if err == nil {
		s.queued = 0
	}
	if errors.Is(err, transport.ErrStalled) && s.queueRest() {
		return nil
	}
	return s.withGone(err)
}

// queueRest hands QUIC what a write that took too long has left, if the client has room for it: then
// the link is slow, and not the reader. QUIC does not report what has arrived, only what it could
// send, and that comes to a halt after losses. A link that stays too slow fills the queue.
func (s *http3Stream) queueRest() bool {
	over := !s.timeout.Until.IsZero() && !time.Now().Before(s.timeout.Until)
	queued := s.queued + len(s.pending.Rest)
	if over || queued > sendBuffer || s.quic.TryWriteAll(s.pending.Rest) != nil {
		return false
	}
	s.queued = queued
	return true
}

// withGone marks an error as [transport.ErrGone] if the client went away.
func (s *http3Stream) withGone(err error) error {
	if err != nil && s.quic.Context().Err() != nil {
		return errors.Join(transport.ErrGone, err)
	}
	return err
}

// OnGone implements transport.Connection. A request has no half that is still open.
func (s *http3Stream) OnGone(left, _ func()) { context.AfterFunc(s.quic.Context(), left) }

// Close implements transport.Connection.
func (s *http3Stream) Close(cut bool) {
	if s.port != nil {
		s.port.requests.Add(-1)
	}
	if s.conn != nil {
		defer s.conn.end()
	}
	if cut {
		s.quic.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
		return
	}
	s.quic.Close()
}
