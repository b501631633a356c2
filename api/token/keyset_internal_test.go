package token

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRedirect(t *testing.T) {
	to := func(url string) *http.Request { return httptest.NewRequest(http.MethodGet, url, nil) }
	for name, test := range map[string]struct {
		next string
		via  []string
		ok   bool
	}{
		"elsewhere":     {"https://other.example/keys", []string{"https://login.example/keys"}, true},
		"to TLS":        {"https://login.example/keys", []string{"http://login.example/keys"}, true},
		"away from TLS": {"http://login.example/keys", []string{"https://login.example/keys"}, false},
		"there and back": {"http://login.example/keys",
			[]string{"https://login.example/keys", "https://other.example/keys"}, false},
		"for ever": {"https://d.example/", []string{"https://a.example/", "https://b.example/",
			"https://c.example/", "https://d.example/"}, false},
	} {
		var via []*http.Request
		for _, url := range test.via {
			via = append(via, to(url))
		}
		require.Equal(t, test.ok, redirect(to(test.next), via) == nil, name)
	}
}
