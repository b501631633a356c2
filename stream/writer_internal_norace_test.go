//go:build !race

package stream

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stubOutlet takes everything, or makes every write wait.
type stubOutlet struct {
	waits  bool
	writes int
}

func (o *stubOutlet) Write([]byte) (waits bool, err error) {
	o.writes++
	return o.waits, nil
}

func (o *stubOutlet) Wait() error { return nil }

// A writer's delivery allocates nothing, from waking the stream to its cooldown. (Under the race
// detector, sync.Pool drops items at random.)
func TestWriterDoesNotAllocate(t *testing.T) {
	for _, test := range deliveries {
		t.Run(test.name, func(t *testing.T) {
			h, s, publish := newDelivery(t, test.query, test.box)
			h.config.FlushInterval, s.query.Interval = time.Nanosecond, min(s.query.Interval, time.Nanosecond)
			out := &stubOutlet{}
			s.out = out
			w := newWriter(h)
			defer w.timer.Stop()
			s.writer.Store(w)
			from := h.Head().Number
			publish(2000)
			require.Zero(t, testing.AllocsPerRun(50, func() {
				rewind(s, from)
				s.pending.Store(0)
				s.notify(number(from + 1))
				for range 20 {
					w.serveReady()
				}
			}))
			require.Positive(t, out.writes)
			require.EqualValues(t, h.Head().Number, s.pos)
		})
	}
}
