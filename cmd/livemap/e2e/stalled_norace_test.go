//go:build !race

package e2e

import "testing"

// The race detector makes a thousand readers too slow.
func TestStalledReadersAmongAThousand(t *testing.T) { testStalledReaders(t, 1000) }
