package listen

import (
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// testLimit is how long a test waits for anything. Nothing takes as long unless it hangs.
const testLimit = 2 * time.Minute

// TestMain fails on goroutines that a test left behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testLimiter returns a limiter with more room than a test needs.
func testLimiter() *connLimiter {
	return newConnLimiter(1000, nil, newCuts(slog.New(slog.DiscardHandler)))
}
