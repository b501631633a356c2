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

// notify reports the hub's state to the service manager, systemd for instance (sd_notify(3)).
// Without one it does nothing.
func notify(state string, log *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("cannot notify the service manager", "state", state, "error", err)
	}
}

// stopping is the state of a hub that is going down. The service manager does not kill it before
// that time is over.
func stopping(within time.Duration) string {
	return fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, within.Microseconds())
}

// pingsPerTimeout is how often the hub pings the watchdog, in the time after which that would
// restart it.
const pingsPerTimeout = 3

// pingWatchdog pings the service manager's watchdog, if there is one, until stop is called. Before
// each ping it calls alive, which does not return while the hub hangs. The service manager then
// restarts the hub.
func pingWatchdog(alive func(), log *slog.Logger) (stop func()) {
	timeout, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("cannot ping the service manager's watchdog", "error", err)
	}
	if timeout <= 0 {
		return func() {}
	}
	return every(max(1, timeout/pingsPerTimeout), func() {
		alive()
		notify(daemon.SdNotifyWatchdog, log)
	})
}

// probeWriters opens as many streams as there are processors, in the way that readers do, and leaves
// them at once. It returns when all have ended. It hangs if anything hangs that would stop all streams:
// the lock of publishing, the routing of events, a writer. A lack of connections or files is no
// reason to restart, and does not show here.
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

// discardOutlet is a stream.Outlet that discards everything.
type discardOutlet struct{}

// Write implements stream.Outlet.
func (discardOutlet) Write([]byte) (waits bool, err error) { return false, nil }

// Wait implements stream.Outlet.
func (discardOutlet) Wait() error { return nil }
