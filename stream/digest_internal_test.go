package stream

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A hub with another state than most stops only when it has told so: else the others would never know.
func TestDivergedHubTellsBeforeItStops(t *testing.T) {
	const self, second, third, wrong, right = 1, 2, 3, 10, 20
	now := time.Unix(1_750_000_000, 0)
	c := newComparison()
	tell := func(session, seq, digest uint64) error {
		return c.tell(session, session == self, checkpoint{seq, digest}, now)
	}
	for _, session := range []uint64{self, second, third} { // each tells of a message that this hub has not seen
		assert.NoError(t, tell(session, 1, right))
	}
	c.keep(checkpoint{2, wrong})
	assert.NoError(t, tell(second, 2, right))
	assert.NoError(t, tell(third, 2, right), "it has not told its state yet")
	assert.ErrorIs(t, tell(self, 2, wrong), ErrDiverged)
	assert.ErrorIs(t, c.differ, ErrDiverged)
}

// A hub that was stopped for long tells of a checkpoint that the others compare no more.
func TestCheckpointThatIsOld(t *testing.T) {
	c, now := newComparison(), time.Unix(1_750_000_000, 0)
	for seq := range uint64(checkpointsAll + 1) {
		c.keep(checkpoint{seq + 1, 7})
	}
	for seq := range uint64(checkpointsAll) {
		assert.NoError(t, c.tell(2, false, checkpoint{seq + 2, 7}, now))
	}
	assert.NoError(t, c.tell(3, false, checkpoint{1, 7}, now))
	assert.Len(t, c.told, checkpointsAll)
}
