//go:build unix && !race

package api

import (
	"bytes"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A write to a connection allocates nothing: neither one that is taken at once,
// nor one that is waited for. (The race detector has sync.Pool forget at random.)
func TestSocketDoesNotAllocate(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	reader, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	conn, err := listener.Accept()
	require.NoError(t, err)
	raw, err := conn.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	s := &socket{conn: conn, raw: raw, stall: time.Minute, chunked: true}
	s.attempt = s.try

	read := make(chan int64)
	go func() {
		n, _ := io.Copy(io.Discard, reader)
		reader.Close()
		read <- n
	}()
	event, chunks := bytes.Repeat([]byte("x"), MaxWrite), int64(0)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		chunks++
		waits, err := s.Write(event)
		if err == nil && waits {
			err = s.Wait()
		}
		if err != nil {
			panic(err)
		}
	}))
	s.Close(false)
	require.Equal(t, chunks*int64(len("4000\r\n")+MaxWrite+len("\r\n"))+int64(len("0\r\n\r\n")), <-read)
}
