package listen

import (
	"context"
	"errors"
	"net/http"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"livemap/api/transport"
)

// maxUnsent is how many bytes a stream hands to QUIC, at most, without knowing that they were
// sent. QUIC itself accepts as much as the client allows, often megabytes: a slow reader would
// get old events.
const maxUnsent = sendBuffer

// http3Stream is an HTTP/3 stream that was taken over from its server. It implements
// [transport.Connection].
type http3Stream struct {
	quic    *quic.Stream
	timeout transport.WriteTimeout

	queued  int // bytes since all were last known to be sent
	pending transport.Pending
}

const dataFrame = 0x00 // RFC 9114, section 7.2.1

// TakeOverHTTP3 takes an HTTP/3 stream over from its server and sends its header. It returns nil
// if the response is not one over HTTP/3 of this package.
func TakeOverHTTP3(w http.ResponseWriter, _ *http.Request,
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
	return &http3Stream{quic: stream.QUICStream(), timeout: timeout}
}

// Write implements stream.Outlet.
func (s *http3Stream) Write(p []byte) (waits bool, err error) {
	head := quicvarint.Append(append(s.pending.Begin(), dataFrame), uint64(len(p)))
	s.pending.Rest = append(head, p...)
	if s.queued += len(s.pending.Rest); s.queued > maxUnsent {
		return true, nil
	}
	err = s.quic.TryWriteAll(s.pending.Rest)
	if errors.Is(err, quic.ErrWouldBlock) {
		return true, nil
	}
	s.pending.Drop()
	return false, s.withGone(err)
}

// Wait implements stream.Outlet. When QUIC accepts a write that had to wait, it has sent all
// before it.
func (s *http3Stream) Wait() error {
	defer s.pending.Drop()
	s.queued = 0
	return s.withGone(s.pending.Deliver(s.quic, s.timeout))
}

// withGone marks an error as [transport.ErrGone] if the client went away.
func (s *http3Stream) withGone(err error) error {
	if err != nil && s.quic.Context().Err() != nil {
		return errors.Join(transport.ErrGone, err)
	}
	return err
}

// OnGone implements transport.Connection.
func (s *http3Stream) OnGone(left func()) { context.AfterFunc(s.quic.Context(), left) }

// Close implements transport.Connection.
func (s *http3Stream) Close(cut bool) {
	if cut {
		s.quic.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
		return
	}
	s.quic.Close()
}
