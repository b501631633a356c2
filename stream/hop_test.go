package stream_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// heldJournal is a journal for one hub whose messages can be held back.
type heldJournal struct {
	*fakeJournal
	gate chan struct{} // a message needs a token, unless it is closed
}

func (j *heldJournal) Follow(
	ctx context.Context, after stream.Place, apply func(at stream.Place, message []byte) error,
) error {
	return j.fakeJournal.Follow(ctx, after, func(at stream.Place, message []byte) error {
		select {
		case <-j.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
		return apply(at, message)
	})
}

// hold returns a hub that applies what others post only when its gate is closed.
func hold(t *testing.T, j *fakeJournal) (*stream.Hub, *heldJournal) {
	held := &heldJournal{j, make(chan struct{})}
	close(held.gate)
	h := startOn(t, stream.Config{}, held, nil)
	synctest.Wait()
	held.gate = make(chan struct{})
	return h, held
}

// A reader that comes from a hub that is further ahead waits for what it has seen there. It is told nothing
// twice, and is not reset.
func TestIDAheadIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := quietJournal()
		a := startOn(t, stream.Config{}, j, nil)
		defer a.Close()
		b, held := hold(t, j)
		defer b.Close()
		publish(t, a, "v", `"n":1`)
		id := publish(t, a, "v", `"n":2`).ID.String()
		reader := listen(t, b, stream.Query{Topics: fleetQuery.Topics, LastEventID: id})
		tail := listen(t, b, stream.Query{Topics: fleetQuery.Topics, LastEventID: id, Tail: true})
		time.Sleep(5 * time.Second)
		text := reader.takeText()
		assert.NotContains(t, text, "event: live", "the hub is behind")
		assert.NotContains(t, text, "event: reset")
		assert.Contains(t, text, "event: frozen", "a hub that lags cannot prove that it is up to date")
		close(held.gate)
		synctest.Wait()
		publish(t, a, "v", `"n":3`)
		time.Sleep(5 * time.Second)
		for _, reader := range []*client{reader, tail} {
			text = reader.takeText()
			assert.NotContains(t, text, "event: reset")
			assert.NotContains(t, text, `"n":2`)
			assert.Equal(t, 1, strings.Count(text, `"n":3`), text)
			assert.Equal(t, 1, strings.Count(text, "event: live"), text)
			assert.Contains(t, text, `"mode":"replay"`)
		}
		b.Drain(context.Background(), 0)
	})
}

// An id that no hub gave is found out as soon as the hub is known to have all that there was when the reader
// came. No time is waited for: while the hub is frozen that is not known.
func TestIDThatNobodyGave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := quietJournal()
		h := startOn(t, stream.Config{}, j, nil)
		defer h.Close()
		id := publish(t, h, "v", "").ID
		id.Number += 1 << 40
		query := stream.Query{Topics: fleetQuery.Topics, LastEventID: id.String()}
		reader := listen(t, h, query)
		time.Sleep(2 * time.Second)
		text := reader.takeText()
		assert.Contains(t, text, "event: reset\ndata: {\"reason\":\"epoch\"}")
		assert.Contains(t, text, `"mode":"snapshot"`)

		j.setFaults(1)
		time.Sleep(time.Minute)
		reader = listen(t, h, query)
		time.Sleep(time.Minute)
		text = reader.takeText()
		require.Contains(t, text, "event: frozen")
		assert.NotContains(t, text, "event: reset")
		j.setFaults(0)
		time.Sleep(5 * time.Second)
		assert.Contains(t, reader.takeText(), "event: reset")
		h.Drain(context.Background(), 0)
	})
}
