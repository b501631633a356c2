// Package livemap holds what describes the hub to others.
package livemap

import _ "embed"

// OpenAPI is the description of the HTTP surface (OpenAPI 3.1), as it is served.
//
//go:embed openapi.yaml
var OpenAPI []byte
