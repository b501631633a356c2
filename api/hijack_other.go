//go:build !unix

package api

import (
	"net/http"
	"time"
)

// hijack takes no stream over: writing without waiting is done for Unix only.
func hijack(http.ResponseWriter, *http.Request, time.Duration) Connection { return nil }
