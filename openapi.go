// Package livemap embeds the description of the hub's HTTP surface.
package livemap

import _ "embed"

// OpenAPI is openapi.yaml (OpenAPI 3.1), as the hub serves it.
//
//go:embed openapi.yaml
var OpenAPI []byte
