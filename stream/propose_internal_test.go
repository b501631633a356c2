package stream

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// heldJournal keeps what is posted, and stores nothing.
type heldJournal struct {
	Journal
	posted  chan []byte
	answers atomic.Int32 // so many were asked for
}

func (j *heldJournal) Post(message []byte, posted func(uint64, error)) {
	if posted != nil {
		j.answers.Add(1)
	}
	j.posted <- slices.Clone(message)
}

// startProposer starts a proposer of a local journal whose messages come back when the test says so. take
// returns the counts of entries of the messages that were posted meanwhile.
func startProposer(t *testing.T) (p *proposer, take func() []int) {
	p = newProposer(&heldJournal{posted: make(chan []byte, 100)}, true, time.Now, func() uint64 { return 0 })
	t.Cleanup(p.close)
	j := p.journal.(*heldJournal)
	return p, func() (counts []int) {
		synctest.Wait()
		for len(j.posted) > 0 {
			_, _, count, _, err := readMessage(<-j.posted, new([]byte))
			require.NoError(t, err)
			counts = append(counts, count)
		}
		return counts
	}
}

// ask proposes the deletion of as many vehicles.
func ask(p *proposer, vehicles int, wait time.Duration) *proposal {
	what := newProposal()
	for range vehicles {
		what.add(entryDelete, []byte("v"))
	}
	p.propose(what, time.Now().Add(wait))
	return what
}

// While a message is under way, what is asked gathers in the next one, until that is large.
func TestMessagesGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, take := startProposer(t)
		first := ask(p, 1, time.Second)
		assert.Equal(t, []int{1}, take(), "nothing is under way")
		var gathered []*proposal
		for range 10 {
			gathered = append(gathered, ask(p, 3, time.Second))
		}
		assert.Empty(t, take(), "one is under way")
		p.applied(1, make([]outcome, 1))
		time.Sleep(gatherFor)
		require.Equal(t, []int{30}, take())
		done, err := first.await(time.Now())
		assert.True(t, done && err == nil)
		ask(p, enoughEntries, time.Second)
		require.Equal(t, []int{enoughEntries}, take(), "it is large")
		outcomes := make([]outcome, 30)
		outcomes[3*7+2].existed = true
		p.applied(2, outcomes)
		for i, what := range gathered {
			done, err := what.await(time.Now())
			require.True(t, done && err == nil)
			assert.Equal(t, []outcome{{}, {}, {existed: i == 7}}, what.outcomes, "proposal %d", i)
		}
	})
}

// A message waits for the callers of the one before, a millisecond at most.
func TestCallersComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, take := startProposer(t)
		ask(p, 1, time.Second)
		assert.Equal(t, []int{1}, take())
		for range 3 {
			ask(p, 1, time.Second)
		}
		p.applied(1, make([]outcome, 1))
		assert.Empty(t, take(), "the first caller may come again")
		ask(p, 1, time.Second)
		assert.Equal(t, []int{4}, take(), "it did")
		p.applied(2, make([]outcome, 4))
		ask(p, 1, time.Second)
		assert.Empty(t, take())
		time.Sleep(gatherFor)
		assert.Equal(t, []int{1}, take())
		p.applied(3, make([]outcome, 1))
		ask(p, 1, time.Second)
		assert.Equal(t, []int{1}, take(), "a caller alone does not wait")
	})
}

// A message goes at once when somebody waits for room in it.
func TestMessageIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, take := startProposer(t)
		ask(p, 1, time.Second)
		assert.Equal(t, []int{1}, take())
		ask(p, enoughEntries-1, time.Second)
		assert.Empty(t, take())
		ask(p, maxEntries, time.Second)
		assert.Equal(t, []int{enoughEntries - 1, maxEntries}, take())
	})
}

// So many messages are under way at most. Then one more gathers, and after that callers wait for room.
func TestProposeWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, take := startProposer(t)
		for range proposeWindow {
			ask(p, maxEntries, time.Second)
		}
		assert.Len(t, take(), proposeWindow)
		ask(p, maxEntries, time.Second)
		late := ask(p, maxEntries, lostAfter/2)
		done, err := late.await(time.Now())
		assert.True(t, done)
		assert.ErrorIs(t, err, ErrUnavailable, "there was no room")
		assert.Empty(t, take())
		p.applied(1, make([]outcome, maxEntries))
		assert.Equal(t, []int{maxEntries}, take())
	})
}

// A message that does not come back is posted again, with those behind it and ever less often.
func TestMessageIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, take := startProposer(t)
		ask(p, 1, time.Second)
		require.Equal(t, []int{1}, take())
		ask(p, enoughEntries, time.Second)
		require.Equal(t, []int{enoughEntries}, take())
		ask(p, 3, time.Second)
		began, again := time.Now(), []time.Duration{}
		for time.Since(began) < 30*time.Second {
			time.Sleep(100 * time.Millisecond)
			if counts := take(); counts != nil {
				require.Equal(t, []int{1, enoughEntries}, counts)
				again = append(again, time.Since(began).Round(time.Second))
			}
		}
		assert.Equal(t, []time.Duration{1e9, 4e9, 8e9, 16e9, 24e9}, again)
		p.applied(1, make([]outcome, 1))
		p.applied(2, make([]outcome, enoughEntries))
		time.Sleep(gatherFor)
		assert.Equal(t, []int{3}, take())
		time.Sleep(2 * lostAfter)
		assert.Equal(t, []int{3}, take(), "patience is as it was")
	})
}

// A local journal is asked for an answer ten times a second, and whenever something may be lost.
func TestFewAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, take := startProposer(t)
		j := p.journal.(*heldJournal)
		for n := range 100 {
			time.Sleep(10 * time.Millisecond)
			ask(p, 1, time.Second)
			assert.Equal(t, []int{1}, take())
			p.applied(uint64(n+1), make([]outcome, 1))
		}
		assert.Equal(t, int32(10), j.answers.Load())
		ask(p, 1, time.Second)
		take()
		p.ignored(102, 100)
		time.Sleep(proposeAgain)
		assert.Equal(t, []int{1}, take())
		assert.Equal(t, int32(11), j.answers.Load())
	})
}

// Any other journal is asked each time.
func TestAllAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &heldJournal{posted: make(chan []byte, 100)}
		p := newProposer(j, false, time.Now, func() uint64 { return 0 })
		defer p.close()
		for n := range 100 {
			ask(p, 1, time.Second)
			synctest.Wait()
			p.applied(uint64(n+1), make([]outcome, 1))
		}
		assert.Equal(t, int32(100), j.answers.Load())
	})
}
