//go:build !unix

package api

import "net/http"

// hijack takes no stream over: writing without waiting is done for Unix only.
func (a *API) hijack(http.ResponseWriter, *http.Request, Patience) Connection { return nil }

type hangups struct{}

func (h *hangups) close() {}
