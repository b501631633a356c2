package server

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// testLimit is how long a test waits for anything. Nothing takes as long unless it hangs.
const testLimit = 2 * time.Minute

// TestMain fails on goroutines that a test left behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
