package transport

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// patientConn accepts no byte and postpones any deadline but one in the past, as a listener does for a
// slow reader.
type patientConn struct {
	httptest.ResponseRecorder
	over chan struct{}
}

func (c *patientConn) SetWriteDeadline(t time.Time) error {
	if t.Before(time.Now()) {
		close(c.over)
	}
	return nil
}

func (c *patientConn) Write([]byte) (int, error) {
	<-c.over
	return 0, os.ErrDeadlineExceeded
}

// A stream ends on time, even if its listener postpones the deadline of a slow reader.
func TestSlowReaderDoesNotPostponeTheEnd(t *testing.T) {
	for name, write := range map[string]func(*patientConn, WriteTimeout) error{
		"taken over": func(c *patientConn, timeout WriteTimeout) error {
			pending := Pending{Rest: []byte("event")}
			return pending.Deliver(c, timeout, 0)
		},
		"HTTP/1.1 over TLS": func(c *patientConn, timeout WriteTimeout) error {
			return newResponseWriter(c, &http.Request{ProtoMajor: 1}, timeout).write([]byte("event"))
		},
		"HTTP/2": func(c *patientConn, timeout WriteTimeout) error {
			return newResponseWriter(c, &http.Request{ProtoMajor: 2}, timeout).write([]byte("event"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := write(&patientConn{over: make(chan struct{})},
					WriteTimeout{Stall: 5 * time.Minute, Until: began.Add(time.Minute)})
				require.ErrorIs(t, err, ErrStalled)
				require.Equal(t, time.Minute+byeTime, time.Since(began))
			})
		})
	}
}

// readingConn takes each write after a moment, unless its deadline is over by then.
type readingConn struct {
	httptest.ResponseRecorder
	deadline time.Time
}

func (c *readingConn) SetWriteDeadline(t time.Time) error {
	c.deadline = t
	return nil
}

func (c *readingConn) Write(p []byte) (int, error) {
	time.Sleep(byeTime / 5)
	if !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	return len(p), nil
}

// When the clock is set to after the end of a stream, the event under way is not cut, and `bye` can follow.
func TestClockThatJumpsCutsNoEvent(t *testing.T) {
	for name, write := range map[string]func(*readingConn, WriteTimeout) error{
		"taken over": func(c *readingConn, timeout WriteTimeout) error {
			pending := Pending{Rest: []byte("event")}
			return pending.Deliver(c, timeout, 0)
		},
		"HTTP/1.1 over TLS": func(c *readingConn, timeout WriteTimeout) error {
			return newResponseWriter(c, &http.Request{ProtoMajor: 1}, timeout).write([]byte("event"))
		},
		"HTTP/2": func(c *readingConn, timeout WriteTimeout) error {
			return newResponseWriter(c, &http.Request{ProtoMajor: 2}, timeout).write([]byte("event"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				timeout := WriteTimeout{Stall: time.Minute, Until: time.Now().Add(-time.Hour).Round(0)}
				var c readingConn
				require.NoError(t, write(&c, timeout), "the event under way")
				require.NoError(t, write(&c, timeout), "bye")
			})
		})
	}
}
