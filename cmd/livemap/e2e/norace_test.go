//go:build !race

package e2e

// raceEnabled reports whether the race detector slows everything down.
const raceEnabled = false
