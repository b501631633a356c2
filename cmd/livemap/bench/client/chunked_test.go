package client

import (
	"bufio"
	"bytes"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestChunks(t *testing.T) {
	var framed bytes.Buffer
	w := httputil.NewChunkedWriter(&framed)
	want := ""
	for _, size := range []int{1, 2, 9, 15, 16, 17, 255, 256, 5000} {
		text := strings.Repeat("a1\r\n", size)[:size]
		want += text
		io.WriteString(w, text)
	}
	w.Close()
	cuts := []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader}
	for _, cut := range cuts {
		got, err := io.ReadAll(newChunkedBody(bufio.NewReader(nil), cut(bytes.NewReader(framed.Bytes()))))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	for name, bad := range map[string]string{"no size": "x\r\n", "huge": "fffffffff\r\n"} {
		_, err := io.ReadAll(newChunkedBody(bufio.NewReader(nil), strings.NewReader(bad)))
		require.Error(t, err, name)
	}
	got, err := io.ReadAll(
		newChunkedBody(bufio.NewReader(nil), strings.NewReader("A;x=y\r\n0123456789\r\n0\r\n")),
	)
	require.NoError(t, err)
	require.Equal(t, "0123456789", string(got))
}
