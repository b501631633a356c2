package client

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"
)

// FuzzProblem reads any answer that is no success. Its error fits on a line of a terminal, and
// its wait is not negative.
func FuzzProblem(f *testing.F) {
	f.Add("application/problem+json; charset=utf-8", "5",
		[]byte(`{"title":"T","detail":"D\u001b[31m","errors":[{"index":-1,"field":"\n"}]}`))
	f.Add("text/html", "Mon, 23 Nov 2026 10:00:00 GMT", []byte("<html>"))
	f.Add("application/problem+json", "-1", []byte(`{"detail":7}`))
	f.Add("", "99999999999999999999", []byte("\xff\xfe\r\nnot\tJSON"))
	f.Fuzz(func(t *testing.T, contentType, retry string, body []byte) {
		p := ReadProblem(&http.Response{
			StatusCode: http.StatusServiceUnavailable, Body: io.NopCloser(bytes.NewReader(body)),
			Header: http.Header{"Content-Type": {contentType}, "Retry-After": {retry}},
		})
		require.GreaterOrEqual(t, p.RetryAfter, time.Duration(0))
		for _, r := range p.Error() {
			require.True(t, unicode.IsPrint(r), "%U in %q", r, p.Error())
		}
	})
}

// FuzzAddresses reads any text as the address of a hub.
func FuzzAddresses(f *testing.F) {
	for _, seed := range []string{
		"http://127.0.0.1:9801",
		"https://[::1%25lo]:4433/x?y#z",
		"localhost:4433",
		"//x",
		"http://x?",
		"http://user:secret@host",
		"file:///etc/passwd",
		"http://%zz",
		"http://x:99999999",
		"unix:/x",
		"javascript:alert(1)",
		"/style.json",
		"https://x/'; script-src *",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var a, b Address
		if a.UnmarshalText([]byte(text)) != nil {
			return
		}
		require.NoError(t, b.UnmarshalText([]byte(a.String())), a)
		if a.base.User == nil { // otherwise it is written without the password
			require.Equal(t, a.URL("/publish"), b.URL("/publish"))
		}
		u, err := url.Parse(a.URL("/publish"))
		require.NoError(t, err)
		require.Contains(t, []string{"http", "https"}, u.Scheme)
		require.True(t, strings.HasSuffix(u.Path, "/publish"))
	})
}
