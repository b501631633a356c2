package listen

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// arrivals is a listener whose connections and errors come from a test.
type arrivals struct {
	net.Listener
	come chan arrival
	end  sync.Once
}

func (a *arrivals) Accept() (net.Conn, error) {
	next, more := <-a.come
	if !more {
		return nil, net.ErrClosed
	}
	return next.conn, next.err
}

func (a *arrivals) Close() error {
	a.end.Do(func() { close(a.come) })
	return nil
}

// TestAdmissionLetsSomeInAtATime checks who gets a slot and when slots become free.
func TestAdmissionLetsSomeInAtATime(t *testing.T) {
	l := &arrivals{come: make(chan arrival)}
	tracked := &trackedListener{limiter: testLimiter()}
	admission := admit(l, slog.New(slog.DiscardHandler))
	inside := func() int { return len(admission.inside) }
	accept := func() net.Conn {
		l.come <- arrival{conn: &trackedConn{listener: tracked}}
		conn, err := admission.Accept()
		require.NoError(t, err)
		return conn
	}
	first := accept()
	for range admissionSlots - 1 {
		accept()
	}
	require.Equal(t, admissionSlots, inside())
	late := accept() // although there is no slot: slow clients do not keep others out
	require.Equal(t, admissionSlots, inside())
	connState(late, http.StateClosed)
	require.Equal(t, admissionSlots, inside(), "it had no slot")

	connState(first, http.StateActive)
	require.Equal(t, admissionSlots, inside())
	connState(first, http.StateHijacked)
	connState(first, http.StateClosed)
	require.Equal(t, admissionSlots-1, inside(), "once")
	connState(accept(), http.StateIdle)
	require.Equal(t, admissionSlots-1, inside())

	for range 3 { // without file descriptors, for a time, Accept waits
		l.come <- arrival{err: &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}}
	}
	accept()
	broken := errors.New("broken")
	l.come <- arrival{err: broken}
	_, err := admission.Accept()
	require.Equal(t, broken, err)
	_, err = admission.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestAdmissionCloses(t *testing.T) {
	l := &arrivals{come: make(chan arrival)}
	admission := admit(l, slog.New(slog.DiscardHandler))
	close(l.come)
	for range 2 {
		_, err := admission.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
	}
}
