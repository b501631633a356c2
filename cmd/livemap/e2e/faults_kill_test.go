//go:build faults && linux

package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// saved returns when the state was saved last, and whether it is being saved.
func saved(dir string) (at time.Time, saving bool) {
	if info, err := os.Stat(filepath.Join(dir, vehiclesFile)); err == nil {
		at = info.ModTime()
	}
	halves, _ := filepath.Glob(filepath.Join(dir, vehiclesFile+".new-*"))
	return at, len(halves) > 0
}

// F14: a hub is killed fifty times while positions come and readers read: at any
// time, in the middle of saving, or right after it.
func TestFaultKilledFiftyTimes(t *testing.T) {
	const rounds, parked = 50, 20_000
	args := append(fixedPorts(t), "--journal", "off")
	var now atomic.Pointer[runningHub]
	now.Store(startHub(t, args...))
	dir := now.Load().stateDir
	var lines []string
	for i := range parked {
		lines = append(lines, fmt.Sprintf(`{"vehicle_id":"PARKED-%d","lat":1,"lon":2,"padding":%q}`, i,
			strings.Repeat("x", 200)))
	}
	now.Load().publishLines(t, lines...)
	book := &ledger{vehicles: 10, prefix: "V", more: `"topics":["book"],`}
	book.publish(t, now.Load())
	var readers []*ledgerReader
	for i := range 9 {
		r := book.follow(t, now.Load().client(t, protocolNames[i%3]), now.Load().public+"/topics/book/stream",
			func(r *ledgerReader) { r.holes = true })
		readers = append(readers, r)
	}
	stop := book.publishEvery(t, now.Load, 20*time.Millisecond)
	random := rand.New(rand.NewPCG(14, 0))
	epochs := map[string]bool{}
	var back []time.Duration
	torn := 0
	for round := range rounds {
		hub, atLeast := now.Load(), 0
		switch round % 10 {
		case 0: // right after saving
			before, _ := saved(dir)
			book.mu.Lock()
			atLeast = book.taken[0]
			book.mu.Unlock()
			await(t, "the state to be saved", func() bool { at, _ := saved(dir); return at.After(before) })
		case 5: // in the middle of it
			for saving := false; !saving && time.Since(savedAt(dir)) < time.Minute; {
				_, saving = saved(dir)
			}
		default:
			<-time.After(time.Duration(random.IntN(300)) * time.Millisecond)
		}
		hub.kill()
		if _, half := saved(dir); half {
			torn++
		}
		began := time.Now()
		hub = startHub(t, args...)
		now.Store(hub)
		assert.Empty(t, hub.log.find("cannot read the saved vehicles; starting without them"), "round %d", round)
		if round > 0 {
			assert.GreaterOrEqual(t, hub.metric(t, `livemap_vehicles{state="present"}`), float64(parked), "round %d",
				round)
		}
		for _, r := range readers {
			if r.client.protocol == "h3" {
				r.client.speak(hub.public)
			}
		}
		for i, r := range readers {
			r.await(t, "the hub that came after", func(c ledgerCounts) bool { return c.resets["epoch"] > round })
			r.await(t, "its state", func(c ledgerCounts) bool { return c.lives["snapshot"] == c.resets["epoch"]+1 })
			if i == 0 {
				assert.True(t, r.holds("V0", atLeast), "what was saved is there")
			}
			r.mu.Lock()
			epoch, _, err := seqOf(r.id)
			r.mu.Unlock()
			require.NoError(t, err)
			if i == 0 {
				assert.False(t, epochs[epoch], "ids are used again")
			}
			epochs[epoch] = true
		}
		back = append(back, time.Since(began))
	}
	stop()
	book.settle(t, now.Load(), readers...)
	assert.Len(t, epochs, rounds, "one in each life but the first")
	left, err := fs.Glob(os.DirFS(dir), "*")
	require.NoError(t, err)
	t.Logf("from the start of the next hub until all readers held the state: %s; killed while saving: %d "+
		"times; state folder: %v", percentiles(back), torn, left)
	assert.False(t, bytes.Contains([]byte(strings.Join(left, " ")), []byte("unreadable")))
	assert.Positive(t, torn)
}

// F58: a hub with a journal is killed again and again while positions come and readers read. They go on from
// their id: no reset, nothing missing, nothing twice.
func TestFaultKilledWithJournal(t *testing.T) {
	const rounds = 20
	args := fixedPorts(t)
	var now atomic.Pointer[runningHub]
	now.Store(startHub(t, args...))
	book := &ledger{vehicles: 50, prefix: "V"}
	book.publish(t, now.Load())
	var readers []*ledgerReader
	for i := range 9 {
		client := now.Load().client(t, protocolNames[i%3])
		readers = append(readers, book.follow(t, client, now.Load().public+"/stream"))
	}
	stop := book.publishEvery(t, now.Load, 20*time.Millisecond)
	random := rand.New(rand.NewPCG(58, 0))
	var back []time.Duration
	for round := range rounds {
		<-time.After(time.Duration(random.IntN(300)) * time.Millisecond)
		now.Load().kill()
		began := time.Now()
		now.Store(startHub(t, args...))
		for _, r := range readers {
			if r.client.protocol == "h3" {
				r.client.speak(now.Load().public)
			}
		}
		for _, r := range readers {
			r.await(t, "the hub that came after", func(c ledgerCounts) bool { return c.lives["replay"] > round })
		}
		back = append(back, time.Since(began))
	}
	stop()
	book.settle(t, now.Load(), readers...)
	for _, r := range readers {
		assert.Equal(t, map[string]int{"new": 1}, r.counts().resets)
		assert.Equal(t, 1, r.counts().lives["snapshot"])
	}
	t.Logf("from the start of the next hub until all readers had resumed: %s", percentiles(back))
}

func savedAt(dir string) time.Time {
	at, _ := saved(dir)
	return at
}
