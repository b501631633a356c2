package server

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"livemap/stream"
)

// notify tells who supervises the hub, systemd for instance, how it is
// (sd_notify(3)). Without a supervisor it does nothing.
func notify(state string, log *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("cannot tell the service manager", "state", state, "error", err)
	}
}

// stopping tells that the hub is going down, and for how long it may at most, so
// that it is not killed before.
func stopping(within time.Duration) string {
	return fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, within.Microseconds())
}

// pingsPerTimeout is how often the watchdog is told, within the time after which
// it would restart the hub.
const pingsPerTimeout = 3

// pingWatchdog tells the supervisor's watchdog, if there is one, that the hub lives,
// each time that alive returns, until stop is called. So a hub that hangs is
// restarted.
func pingWatchdog(alive func(), log *slog.Logger) (stop func()) {
	timeout, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the service manager's watchdog is not told", "error", err)
	}
	if timeout <= 0 {
		return func() {}
	}
	return every(max(1, timeout/pingsPerTimeout), func() {
		alive()
		notify(daemon.SdNotifyWatchdog, log)
	})
}

// probeWriters opens a stream with each of the hub's writers, as readers do, leaves it
// when it is live, and returns when all have ended. For that, nothing may hang that
// would stop everyone: the lock that publishing takes, the search for those who want
// an event, the writers. Connections and files that cannot be had are no reason to
// restart, and go unnoticed here.
func probeWriters(hub *stream.Hub) {
	var open sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		open.Add(1)
		probe := hub.Subscribe(stream.Query{Topics: []string{"vehicle:"}, Tail: true})
		probe.Attach(discardOutlet{}, func(stream.Summary) { open.Done() })
		probe.Leave()
	}
	open.Wait()
}

// discardOutlet is an Outlet that takes everything.
type discardOutlet struct{}

// Write implements stream.Outlet.
func (discardOutlet) Write([]byte) (waits bool, err error) { return false, nil }

// Wait implements stream.Outlet.
func (discardOutlet) Wait() error { return nil }
