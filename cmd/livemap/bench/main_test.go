package bench

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is a floor where the benchmark starts one, and fails on goroutines that a
// test left behind.
func TestMain(m *testing.M) {
	if slices.Equal(os.Args[1:], []string{"bench", "floor"}) {
		if err := Floor(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
