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
