package client

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"livemap/cmd/livemap/bench/workload"
)

// Reopen opens all streams again, all at once, each with the id of its last event. The
// attempts that fail are made again, for at most liveWithin; failed counts them.
func (s *Streams) Reopen(
	ctx context.Context, p Protocol, m *Meter, stream func(i int) Opening,
) (again *Streams, failed int64, err error) {
	var failures atomic.Int64
	n := len(s.receivers)
	again, err = openEach(ctx, n, n, func(ctx context.Context, i int) (connection, *receiver, error) {
		limit := time.Now().Add(liveWithin)
		for last := s.receivers[i]; ; {
			r, o := last.successor(m, i), stream(i)
			o.Header = http.Header{"Last-Event-Id": {string(r.lastID)}}
			r.closing.Store(true) // an attempt that fails is made again
			c, err := p.openLive(ctx, o, r)
			if err == nil {
				r.closing.Store(false)
				return c, r, nil
			}
			if time.Now().After(limit) || ctx.Err() != nil {
				return nil, nil, err
			}
			failures.Add(1)
			last = r
		}
	})
	return again, failures.Load(), err
}

// Progress returns the newest event of the streams that are least and most far.
func (s *Streams) Progress() (least, most int64) {
	least, most = workload.Endless, -1
	for _, r := range s.receivers {
		n := r.newest.Load()
		least, most = min(least, n), max(most, n)
	}
	return least, most
}

// FaultsOfReturn returns what [Streams.Faults] returns. It also counts as a fault each stream
// that did not come to the same event as the first.
func (s *Streams) FaultsOfReturn() (faults Faults) {
	first := s.receivers[0].newest.Load()
	for i, r := range s.receivers {
		if newest := r.newest.Load(); newest != first || newest < 0 {
			faults.note(&faults.Missing, 1, "stream %d came to event %d, another to %d", i, newest, first)
		}
		faults.add(r.faults)
	}
	return faults
}
