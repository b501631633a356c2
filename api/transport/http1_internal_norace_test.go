//go:build !race

package transport

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// A write to a connection allocates nothing, whether it waits or not. (Under the race detector, sync.Pool
// drops items at random.)
func TestSocketDoesNotAllocate(t *testing.T) {
	conn, reader := pair(t)
	s := socketOf(t, conn, true)
	read := make(chan int64)
	go func() {
		n, _ := io.Copy(io.Discard, reader)
		reader.Close()
		read <- n
	}()
	event, chunks := bytes.Repeat([]byte("x"), MaxWrite), int64(0)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		chunks++
		if _, err := s.put(event); err != nil {
			panic(err)
		}
	}))
	s.Close(false)
	require.Equal(t, chunks*int64(len("4000\r\n")+MaxWrite+len("\r\n"))+int64(len("0\r\n\r\n")), <-read)
}
