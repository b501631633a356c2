// Package web is the page that the hub shows: a placeholder, until there is a map.
package web

import (
	_ "embed"
	"net/http"
)

//go:embed index.html
var index []byte

// Page serves the page.
func Page() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'")
		w.Write(index)
	})
}
