package stream

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// MaxAhead is how far the timestamp of a position may be ahead of the hub's clock.
const MaxAhead = 60 * time.Second

// Config holds the settings of a [Hub]. A field that is zero has its default.
type Config struct {
	// History is the memory of the log with its index, in bytes. Default 64 MiB.
	History int
	// MaxBacklog is how many bytes a reader may be behind. A reader that is further behind skips to the
	// newest positions. Default 16 MiB.
	MaxBacklog int
	// FlushInterval is the shortest time between two writes of new events to a stream. Default 20 ms.
	FlushInterval time.Duration
	// Heartbeat is how long a stream may be silent before the hub writes a `ping`. Default 15 s.
	Heartbeat time.Duration
	// Settings are values of settings that are wanted. With a journal they change it, where it has others.
	Settings Settings
	// KeepSettings is for a journal that other hubs share: a setting that was set there is not changed, and
	// [NewWithJournal] returns a [SettingError].
	KeepSettings bool
	// PublishWait is how long a change waits for the journal before it is [ErrUnavailable]. Default 10 s.
	PublishWait time.Duration
	// Clock is the wall clock for timestamps; default [time.Now]. It may jump: timeouts use the
	// monotonic clock instead.
	Clock func() time.Time
	// Delay, if set, receives the delivery time of each live write: from publishing its oldest
	// event until the write was done. Many goroutines call it, and often.
	Delay func(time.Duration)
	// Commit, if set, receives of each message that this hub posted to its journal: how many entries it had,
	// and the time from posting it first until it was applied.
	Commit func(entries int, d time.Duration)
}

func (c Config) withDefaults() Config {
	setDefault(&c.History, 64<<20)
	setDefault(&c.MaxBacklog, 16<<20)
	setDefault(&c.FlushInterval, 20*time.Millisecond)
	setDefault(&c.Heartbeat, 15*time.Second)
	setDefault(&c.PublishWait, 10*time.Second)
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Hub takes positions from publishers and delivers them to subscribers. [New] makes one. All its
// methods may be called from several goroutines, except [Hub.Close] and [Hub.Load].
type Hub struct {
	config  Config
	epoch   string
	started time.Time // zero of the monotonic clock

	otherClock bool          // config.Clock is not time.Now
	clockOnce  sync.Once     // starts watchClock with the first stream that ends at a time of day
	clockSets  atomic.Uint64 // how often the wall clock was set since

	mu     sync.RWMutex // guards what follows
	log    *eventLog
	fleet  fleet
	topics topics
	event  frame // the event being published; its memory is reused
	// nextNumber returns the number of the next event, which is above newest; nil: newest + 1, without
	// holes.
	nextNumber func(newest number) number
	saving     *saving // under way; nil: none
	applier    applier // of the entry being applied

	lane      lane                          // part of the state
	fences    fences                        // part of the state
	sums      sums                          // part of the state
	sources   kept[sourceKey, uint64]       // part of the state: the greatest number of each source
	keys      kept[[16]byte, *keyedRequest] // part of the state
	keyed     keyed
	settings  settings  // part of the state with a journal
	journaled journaled // likewise
	quiet     quiet     // part of the state

	quietFrom atomic.Int64 // quiet.until, for readers

	following   *following   // nil: without a journal
	frozenSince atomic.Int64 // as streams are told, Unix milliseconds; 0: the hub is up to date

	saves    sync.Mutex // held for a save: one at a time
	router   router
	writers  []*writer // of attached streams
	attached atomic.Uint64
	freezer  freezer
	counters counters

	published chan struct{} // something was published
	done      chan struct{} // the hub is closed
	draining  atomic.Bool
	routed    atomic.Uint64 // number up to which the router has notified subscribers
	running   sync.WaitGroup
}

// New starts a hub with an empty log of a new epoch. [Hub.Close] ends it.
func New(config Config) *Hub {
	h := newHub(config)
	h.start()
	h.running.Go(h.expire)
	h.running.Go(h.watchQuiet)
	return h
}

// newHub returns a hub whose goroutines are not started.
func newHub(config Config) *Hub {
	h := &Hub{
		config:  config.withDefaults(),
		epoch:   NewEpoch(),
		started: time.Now(),

		otherClock: config.Clock != nil,

		quiet:     quiet{mark: math.MinInt64},
		settings:  newSettings(),
		fleet:     newFleet(),
		topics:    newTopics(),
		fences:    newFences(),
		published: make(chan struct{}, 1),
		done:      make(chan struct{}),
	}
	h.settings.take(h.config.Settings)
	h.log = newLog(h.config.History, 1)
	return h
}

func (h *Hub) start() {
	h.router.init()
	h.startWriters()
	h.running.Go(h.route)
}

// Close ends the goroutines of the hub. All streams must have ended before, and nothing may be
// published after: see [Hub.Drain].
func (h *Hub) Close() {
	close(h.done)
	if h.following != nil {
		h.following.proposer.close()
		h.following.cancel()
	}
	for _, w := range h.writers {
		w.close()
	}
	h.running.Wait()
}

// now returns the time on the hub's monotonic clock.
func (h *Hub) now() time.Duration { return time.Since(h.started) }

// moment is one moment on both clocks.
type moment struct {
	wall time.Time
	mono time.Duration
}

// until returns a time of day as a time on the monotonic clock. It returns 0 for the zero time, and
// for one so far away (292 years) that it never comes.
func (m moment) until(at time.Time) time.Duration {
	from := at.Sub(m.wall) // saturates
	if at.IsZero() || from > math.MaxInt64-m.mono {
		return 0
	}
	return max(1, m.mono+from)
}

// moment reads both clocks, which are one unless Config.Clock is set.
func (h *Hub) moment() moment {
	now := time.Now()
	m := moment{now, now.Sub(h.started)}
	if h.otherClock {
		m.wall = h.config.Clock()
	}
	return m
}

// zero returns the wall clock's time at the zero of the monotonic clock. It changes when the wall clock
// is set.
func (m moment) zero() time.Time { return m.wall.Round(0).Add(-m.mono) }

const (
	clockPoll = 500 * time.Millisecond // how often the wall clock is checked
	clockStep = 100 * time.Millisecond // the smallest step that counts
)

// watchClock notices when the wall clock was set, also by a suspend of the machine, until the hub is
// closed. Streams that end at a time of day then end earlier or later. zero is moment.zero so far.
func (h *Hub) watchClock(zero time.Time) {
	ticker := time.NewTicker(clockPoll)
	defer ticker.Stop()
	for {
		select {
		case <-h.done:
			return
		case <-ticker.C:
			now := h.moment().zero()
			if now.Sub(zero).Abs() < clockStep {
				continue
			}
			zero = now
			h.clockSets.Add(1)
			for _, s := range h.router.list() {
				if !s.query.Until.IsZero() {
					s.wake()
				}
			}
		}
	}
}

// id returns the id of event n.
func (h *Hub) id(n number) ID { return ID{h.epoch, uint64(n)} }

// eventsUpTo returns how many events of the log's life have a number up to n, if that is still known.
// Hub.mu is held.
func (h *Hub) eventsUpTo(n number) (count uint64, known bool) {
	if h.nextNumber == nil {
		return uint64(n), true
	}
	return h.log.upTo(n), n >= h.log.dropped
}

// Head returns the id of the newest event. Its Number is 0 before the first.
func (h *Hub) Head() ID {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.id(h.log.newest)
}

// signalRouter wakes the goroutine that routes new events.
func (h *Hub) signalRouter() {
	select {
	case h.published <- struct{}{}:
	default:
	}
}

// expireEvery is how often the hub looks for vehicles that have been silent for too long, and for keys.
const expireEvery = time.Second

// expire marks vehicles as gone that have been silent for too long, forgets keys and does what timers bring
// about, until the hub is closed. Without a journal no setting changes.
func (h *Hub) expire() {
	every := expireEvery
	if ttl := h.settings.vehicleTTL(); ttl > 0 {
		every = min(every, ttl)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-h.done:
			return
		case <-ticker.C:
			for h.expireSome() {
			}
			for h.fireTimers() {
			}
		}
	}
}

// expireSome expires up to 256 vehicles, so that publishers wait no longer than that. It reports
// whether there may be more.
func (h *Hub) expireSome() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.applyNow(Source{}, h.moment())
	a.expireKeys()
	if h.settings.vehicleTTL() == 0 {
		return false
	}
	silent := h.fleet.silentSince(int64(h.now()-h.settings.vehicleTTL()), 256)
	for _, v := range silent {
		a.markGone(v, Expired)
		h.signalRouter()
	}
	return len(silent) == 256
}
