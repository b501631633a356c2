package server

import (
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

// gcPercent is by how much the heap may grow before the garbage collector runs. Most of the hub's
// heap is the log and the vehicles, which stay. At Go's 100 they would cost their size again in
// memory that is mostly empty. The price is twice as many collections under load.
const gcPercent = 50

// ballast makes the collector wait for some 16 MB of garbage while the heap is small. Nothing
// touches it, so the system provides no memory for it. But it counts towards GOMEMLIMIT, of which it
// takes a sixteenth at most.
var ballast = sync.OnceValue(func() []byte { return make([]byte, ballastSize()) })

// ballastSize returns the size of the ballast in bytes.
func ballastSize() uint64 { return min(32<<20, memoryLimit()/16) }

// memoryLimit returns GOMEMLIMIT in bytes; math.MaxInt64 if there is none.
func memoryLimit() uint64 { return uint64(debug.SetMemoryLimit(-1)) }

// limitMemory sets gcPercent, unless GOGC is set. GOMEMLIMIT applies beside it.
func limitMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
		ballast()
	}
}

// programMemory is what the hub needs besides its log, vehicles and streams, in bytes.
const programMemory = 16 << 20

// fitHistory returns the history that fits into a memory limit: half of it, less what the program
// needs. The other half is for vehicles, streams and garbage. A log that fills the limit would leave no
// room for new streams, for good: unlike streams, it never goes.
func fitHistory(history Size, limit uint64, log *slog.Logger) Size {
	const least = 1 << 20 // as in Config.History
	fits := Size(max(least, limit/2-min(limit/2, programMemory)))
	if history <= fits {
		return history
	}
	log.Warn("--history does not fit into GOMEMLIMIT; keeping less", "history", history.String(),
		"keeping", fits.String(), "GOMEMLIMIT", Size(limit).String())
	return fits
}

// tidier returns memory to the system after a wave of clients. Clients that connect, or read the
// state of the fleet, leave garbage behind. It would stay for minutes if nothing more is allocated.
// While the collector runs by itself there is nothing to do.
type tidier struct {
	samples []metrics.Sample // cycles, allocated, live
	cycles  uint64           // of the collector, at the last look
	tidied  uint64           // bytes that had been allocated when it last tidied
	again   int              // looks at which it tidies although little was allocated
}

const (
	tidyEvery   = 5 * time.Second
	minGarbage  = 4 << 20 // bytes allocated since it last tidied, below which it does not
	extraTidies = 2       // after a wave: each collection halves the stacks of idle goroutines once
)

// newTidier makes a tidier that has not looked yet.
func newTidier() *tidier {
	t := &tidier{}
	for _, name := range []string{"/gc/cycles/total:gc-cycles", "/gc/heap/allocs:bytes", "/gc/heap/live:bytes"} {
		t.samples = append(t.samples, metrics.Sample{Name: name})
	}
	return t
}

// look collects garbage and returns free memory to the system, if that may be enough and the
// collector has not run since the last look. It reports whether it did.
func (t *tidier) look() (tidied bool) {
	metrics.Read(t.samples)
	cycles, allocated := t.samples[0].Value.Uint64(), t.samples[1].Value.Uint64()
	live := t.samples[2].Value.Uint64()
	rested := cycles == t.cycles
	t.cycles = cycles
	live -= min(live, ballastSize())
	since := allocated - t.tidied
	switch {
	case !rested:
		return false
	case since >= max(minGarbage, live/2):
		t.again = extraTidies
	case since >= max(minGarbage, live/16):
	case t.again == 0:
		return false
	default:
		t.again--
	}
	debug.FreeOSMemory()
	metrics.Read(t.samples)
	t.cycles, t.tidied = t.samples[0].Value.Uint64(), allocated
	return true
}

// pressure watches whether memory in use comes close to GOMEMLIMIT. Beyond that the collector would
// run all the time, and every stream that is added would slow down all others.
type pressure struct {
	limit     uint64           // bytes
	samples   []metrics.Sample // live, stacks, cycles
	cycles    uint64           // of the collector, at the last look
	collected time.Time        // when look had the collector run
	high      atomic.Bool      // seven eighths of the limit are in use: no new streams
	short     atomic.Bool      // fifteen sixteenths are: publishing waits
	log       *slog.Logger
}

// pressureEvery is short: a publisher fills a hundred megabytes in a second.
const pressureEvery = 100 * time.Millisecond

// collectEvery is how often the collector runs, at least, while memory is short. Without it, a hub with
// little to do would not notice for minutes that there is room again.
const collectEvery = 2 * time.Second

// newPressure makes one that has not looked yet.
func newPressure(limit uint64, log *slog.Logger) *pressure {
	p := &pressure{limit: limit, log: log}
	for _, name := range []string{
		"/gc/heap/live:bytes", "/memory/classes/heap/stacks:bytes", "/gc/cycles/total:gc-cycles",
	} {
		p.samples = append(p.samples, metrics.Sample{Name: name})
	}
	return p
}

// watchPressure watches the memory in use until stop is called. Without a limit there is nothing
// to watch.
func watchPressure(log *slog.Logger) (p *pressure, stop func()) {
	p = newPressure(memoryLimit(), log)
	if p.limit == math.MaxInt64 {
		return p, func() {}
	}
	return p, every(pressureEvery, p.look)
}

// look updates high and short, and logs when they change.
func (p *pressure) look() {
	used, cycles := p.read()
	if p.high.Load() && cycles == p.cycles && time.Since(p.collected) >= collectEvery {
		runtime.GC()
		p.collected = time.Now()
		used, cycles = p.read()
	}
	p.cycles = cycles
	p.judge(used)
}

// read returns the bytes in use when the collector ran last, and how often it has run.
func (p *pressure) read() (used, cycles uint64) {
	metrics.Read(p.samples)
	return p.samples[0].Value.Uint64() + p.samples[1].Value.Uint64(), p.samples[2].Value.Uint64()
}

// judge updates high and short for bytes in use, and logs when they change.
func (p *pressure) judge(used uint64) {
	for _, level := range []struct {
		is          *atomic.Bool
		from        uint64
		begin, over string
	}{
		{&p.high, p.limit / 8 * 7, "memory is short; rejecting new streams",
			"memory is available again; accepting new streams"},
		{&p.short, p.limit / 16 * 15, "memory is nearly used up; publishing waits",
			"memory is available again; publishing goes on"},
	} {
		is := used >= level.from
		if level.is.Swap(is) == is {
			continue
		}
		if is {
			p.log.Warn(level.begin, "used", used, "GOMEMLIMIT", p.limit,
				"mend", "raise GOMEMLIMIT, or lower --history, --max-state or --max-vehicles")
		} else {
			p.log.Info(level.over, "used", used, "GOMEMLIMIT", p.limit)
		}
	}
}

// tidyMemory runs a tidier until stop is called.
func tidyMemory() (stop func()) {
	t := newTidier()
	return every(tidyEvery, func() { t.look() })
}
