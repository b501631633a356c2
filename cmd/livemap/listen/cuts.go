package listen

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// cutReason is why the hub closed a connection that it had not answered, or on which nothing was
// asked any more.
type cutReason string

const (
	cutHandshake cutReason = "handshake" // no TLS or QUIC handshake within its time
	cutRequest   cutReason = "request"   // no whole request header within its time
	cutIdle      cutReason = "idle"      // no request for idleTimeout
	cutAddress   cutReason = "address"   // its address had more than maxIdlePerAddress without a request
	cutFull      cutReason = "full"      // another connection needed the room
	cutGone      cutReason = "gone"      // the client acknowledges nothing any more
	cutShutdown  cutReason = "shutdown"  // the hub went down before a request came
)

// cutLogInterval is how often the log has a line for a reason, at most.
const cutLogInterval = time.Minute

// cuts counts and logs the connections that the hub closed.
type cuts struct {
	log *slog.Logger

	mu    sync.Mutex // guards what follows
	count func(reason string)
	lines map[cutReason]*cutLine
}

// cutLine is what the log has not said about a reason.
type cutLine struct {
	unsaid int
	client string // the last one's address
	timer  *time.Timer
}

func newCuts(log *slog.Logger) *cuts {
	return &cuts{log: log, count: func(string) {}, lines: map[cutReason]*cutLine{}}
}

// countWith sets what is called for each connection.
func (c *cuts) countWith(count func(reason string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count = count
}

// add counts a connection. The log gets the first of a reason at once, and then one line a minute
// while there are more. Clients that no longer ask are usual: the log has those for debugging only.
func (c *cuts) add(reason cutReason, client string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count(string(reason))
	line := c.lines[reason]
	if line == nil {
		line = &cutLine{}
		c.lines[reason] = line
	}
	line.unsaid++
	line.client = client
	if line.timer == nil {
		c.sayLocked(reason, line)
	}
}

// sayLocked logs what is unsaid, and looks again a minute later.
func (c *cuts) sayLocked(reason cutReason, line *cutLine) {
	level := slog.LevelInfo
	switch reason {
	case cutAddress, cutFull:
		level = slog.LevelWarn
	case cutIdle, cutShutdown:
		level = slog.LevelDebug
	}
	c.log.Log(context.Background(), level, "cut connections", "reason", string(reason),
		"connections", line.unsaid, "last_client", line.client)
	line.unsaid = 0
	line.timer = time.AfterFunc(cutLogInterval, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		line.timer = nil
		if line.unsaid > 0 {
			c.sayLocked(reason, line)
		}
	})
}

// end logs what is unsaid.
func (c *cuts) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for reason, line := range c.lines {
		if line.unsaid > 0 {
			c.sayLocked(reason, line)
		}
		if line.timer != nil {
			line.timer.Stop()
		}
	}
}
