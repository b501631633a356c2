package stream_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// cut takes the newest messages from the journal, as a power cut may do.
func (j *fakeJournal) cut(messages int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.messages = j.messages[:len(j.messages)-messages]
}

// A hub that reads what was written over the lost end of a journal stops: a message in it knows of messages
// after its own. None of what follows is applied, so no event has a number that another one had.
func TestForkIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := quietJournal()
		a := startOn(t, stream.Config{}, j, nil)
		for range 5 {
			publish(t, a, "a", "")
		}
		applied := a.Applied()
		j.cut(3)
		time.Sleep(2 * time.Second) // it posts ticks, and does not know
		synctest.Wait()
		assert.Equal(t, applied, a.Applied())
		_, _, err := stream.NewWithJournal(t.Context(), stream.Config{}, j, nil)
		require.ErrorIs(t, err, stream.ErrForked)
		assert.ErrorContains(t, err, "was posted by a hub that had applied message")
		a.Close()
	})
}

// A hub stops to post when it stops to apply: its messages would come into another journal.
func TestStoppedHubPostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := quietJournal()
		h := startOn(t, stream.Config{}, j, nil)
		defer h.Close()
		j.Post(stream.UnknownMessage(), func(uint64, error) {})
		synctest.Wait()
		require.Error(t, h.JournalError())
		j.mu.Lock()
		before := len(j.messages)
		j.mu.Unlock()
		_, err := h.Publish(position(t, "a", ""))
		require.ErrorIs(t, err, stream.ErrUnavailable)
		time.Sleep(time.Minute)
		j.mu.Lock()
		defer j.mu.Unlock()
		assert.Len(t, j.messages, before)
	})
}
