//go:build !race

package e2e

// raceEnabled tells that the race detector slows everything down.
const raceEnabled = false
