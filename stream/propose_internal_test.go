package stream

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// heldJournal keeps what is posted, and stores nothing.
type heldJournal struct {
	Journal
	posted chan []byte
}

func (j *heldJournal) Post(message []byte, _ func(uint64, error)) { j.posted <- slices.Clone(message) }

// startProposer starts a proposer whose messages come back when the test says so. take returns the counts of
// entries of the messages that were posted meanwhile.
func startProposer(t *testing.T) (p *proposer, take func() []int) {
	j := &heldJournal{posted: make(chan []byte, 100)}
	p = newProposer(j, time.Now, func() uint64 { return 0 })
	t.Cleanup(p.close)
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
		assert.Equal(t, []int{30}, take())
		done, err := first.await(time.Now())
		assert.True(t, done && err == nil)
		ask(p, enoughEntries, time.Second)
		assert.Equal(t, []int{enoughEntries}, take(), "it is large")
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
		late := ask(p, maxEntries, time.Second)
		done, err := late.await(time.Now())
		assert.True(t, done)
		assert.ErrorIs(t, err, ErrUnavailable, "there was no room")
		assert.Empty(t, take())
		p.applied(1, make([]outcome, maxEntries))
		assert.Equal(t, []int{maxEntries}, take())
	})
}
