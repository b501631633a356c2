package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"livemap/api"
)

// unconfirmed is how many bytes, at most, QUIC is given of a stream without
// knowing that the ones before were sent. It takes as much as the client allows,
// megabytes often, so that a reader who is slow would be told old news.
const unconfirmed = sendBuffer

// quicStream is an HTTP/3 stream that was taken over from its server.
type quicStream struct {
	quic  *quic.Stream
	stall time.Duration

	queued int   // bytes since it was last known that all were sent
	frame  *data // what is waiting to be written; nil: nothing
	rest   []byte
}

// data has room for what a stream writes at once, as a DATA frame (RFC 9114,
// section 7.2.1).
type data [api.MaxWrite + 2<<10]byte

var frames = sync.Pool{New: func() any { return new(data) }}

const dataFrame = 0x00

// takeOver takes an HTTP/3 stream over, after its header; nil where it cannot.
func (c *serveCmd) takeOver(w http.ResponseWriter, _ *http.Request) api.Connection {
	streamer, ok := w.(http3.HTTPStreamer)
	if !ok {
		return nil
	}
	w.WriteHeader(http.StatusOK)
	stream, err := streamer.HTTPStream()
	if err != nil {
		return nil
	}
	// A request for a stream has no body. That it is not read is said now, since
	// what is needed to say it later holds on to the whole request.
	stream.CancelRead(quic.StreamErrorCode(http3.ErrCodeNoError))
	return &quicStream{quic: stream.QUICStream(), stall: c.StallTimeout}
}

// Write implements stream.Outlet.
func (s *quicStream) Write(p []byte) (waits bool, err error) {
	s.frame = frames.Get().(*data)
	s.rest = quicvarint.Append(append(s.frame[:0], dataFrame), uint64(len(p)))
	s.rest = append(s.rest, p...)
	if s.queued += len(s.rest); s.queued > unconfirmed {
		return true, nil
	}
	err = s.quic.TryWriteAll(s.rest)
	if errors.Is(err, quic.ErrWouldBlock) {
		return true, nil
	}
	s.drop()
	return false, s.gone(err)
}

// Wait implements stream.Outlet. When QUIC has taken a write, all before it was
// sent.
func (s *quicStream) Wait() error {
	defer s.drop()
	s.queued = 0
	for len(s.rest) > 0 {
		piece := s.rest[:min(len(s.rest), api.MaxWrite)]
		if err := s.quic.SetWriteDeadline(time.Now().Add(s.stall)); err != nil {
			return s.gone(err)
		}
		n, err := s.quic.Write(piece)
		s.rest = s.rest[n:]
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return errors.Join(api.ErrStalled, err)
		}
		if err != nil {
			return s.gone(err)
		}
	}
	return nil
}

func (s *quicStream) drop() {
	frames.Put(s.frame)
	s.frame, s.rest = nil, nil
}

// gone tells the errors of a client that went away from others.
func (s *quicStream) gone(err error) error {
	if err != nil && s.quic.Context().Err() != nil {
		return errors.Join(api.ErrGone, err)
	}
	return err
}

// OnGone implements api.Connection.
func (s *quicStream) OnGone(left func()) { context.AfterFunc(s.quic.Context(), left) }

// Close implements api.Connection.
func (s *quicStream) Close(cut bool) {
	if cut {
		s.quic.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
		return
	}
	s.quic.Close()
}
