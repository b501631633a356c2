package server

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

// gcPercent is by how much the heap may grow before the garbage collector runs.
// Most of the hub's heap is the log and the vehicles, which stay: at Go's 100 they
// would take their size again in memory that is mostly empty. The price is twice
// as many collections, which come only while positions come in densely.
const gcPercent = 50

// ballast makes the collector wait for some 16 MB of garbage while the heap is
// small. It is never touched, so that the system gives no memory for it.
var ballast = sync.OnceValue(func() []byte { return make([]byte, ballastSize) })

const ballastSize = 32 << 20

// limitMemory sets gcPercent, unless GOGC says otherwise. A GOMEMLIMIT holds
// beside it.
func limitMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
		ballast()
	}
}

// tidier gives memory back after a wave: clients that connect, or take the state
// of the fleet, leave garbage behind, which would stay for minutes when nothing
// more is allocated. While the collector runs by itself there is nothing to do.
type tidier struct {
	samples []metrics.Sample // cycles, allocated, live
	cycles  uint64           // when it last looked
	tidied  uint64           // bytes that had been allocated when it last tidied up
	again   int              // times that it is to tidy up though little was allocated
}

const (
	tidyEvery   = 5 * time.Second
	minGarbage  = 4 << 20 // bytes allocated since, below which it is not worth it
	extraTidies = 2       // further times after a wave: a collection halves idle goroutines' stacks, once
)

func newTidier() *tidier {
	t := &tidier{}
	for _, name := range []string{"/gc/cycles/total:gc-cycles", "/gc/heap/allocs:bytes", "/gc/heap/live:bytes"} {
		t.samples = append(t.samples, metrics.Sample{Name: name})
	}
	return t
}

// look collects what is garbage, and gives back what is free, if the collector
// has rested since it looked last and there may be enough of it.
func (t *tidier) look() (tidied bool) {
	metrics.Read(t.samples)
	cycles, allocated, live := t.samples[0].Value.Uint64(), t.samples[1].Value.Uint64(), t.samples[2].Value.Uint64()
	rested := cycles == t.cycles
	t.cycles = cycles
	live -= min(live, ballastSize)
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

// pressure tells when what is in use comes close to GOMEMLIMIT: the collector would
// then run all the time, and all streams would suffer from each that is added.
type pressure struct {
	limit   uint64           // bytes
	samples []metrics.Sample // live, stacks
	high    atomic.Bool
	log     *slog.Logger
}

const pressureEvery = time.Second

// watchPressure looks at the memory in use until it is stopped; never where there
// is no limit.
func watchPressure(log *slog.Logger) (p *pressure, stop func()) {
	p = &pressure{limit: uint64(debug.SetMemoryLimit(-1)), log: log}
	if p.limit == math.MaxInt64 {
		return p, func() {}
	}
	for _, name := range []string{"/gc/heap/live:bytes", "/memory/classes/heap/stacks:bytes"} {
		p.samples = append(p.samples, metrics.Sample{Name: name})
	}
	return p, every(pressureEvery, p.look)
}

func (p *pressure) look() {
	metrics.Read(p.samples)
	used := p.samples[0].Value.Uint64() + p.samples[1].Value.Uint64()
	high := used >= p.limit/8*7
	if p.high.Swap(high) == high {
		return
	}
	if high {
		p.log.Warn("memory is short: new streams are turned away", "used", used, "GOMEMLIMIT", p.limit)
	} else {
		p.log.Info("memory is there again: new streams are let in", "used", used, "GOMEMLIMIT", p.limit)
	}
}

// tidyMemory tidies up until the returned function is called.
func tidyMemory() (stop func()) {
	t := newTidier()
	return every(tidyEvery, func() { t.look() })
}
