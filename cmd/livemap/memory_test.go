package main

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMemoryIsLimitedUnlessGOGCSaysOtherwise(t *testing.T) {
	before := debug.SetGCPercent(70)
	defer debug.SetGCPercent(before)
	for _, test := range []struct {
		env  string
		want int
	}{{"", gcPercent}, {"100", 70}, {"off", 70}} { // the runtime itself has read the variable
		debug.SetGCPercent(70)
		t.Setenv("GOGC", test.env)
		limitMemory()
		require.Equal(t, test.want, debug.SetGCPercent(70), "GOGC=%q", test.env)
	}
}
