package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// On an idle hub a position is seen at once; one that follows waits for company.
func TestIdleLatency(t *testing.T) {
	t.Parallel()
	const flush = time.Second
	hub := startHub(t, "--flush-interval", flush.String())
	readers := map[string]*wireStream{}
	for _, protocol := range protocolNames {
		readers[protocol] = hub.client(t, protocol).mustOpen(t, hub.public+"/stream", "")
		readers[protocol].until(t, "live")
	}
	// see publishes a position and tells when each protocol showed it.
	n := 0
	see := func() map[string]time.Duration {
		n++
		began := time.Now()
		seen := make(chan string, len(readers))
		for protocol, s := range readers {
			go func() {
				e, err := s.next()
				if assert.NoError(t, err) {
					f, err := decode[featureData](e.data)
					assert.NoError(t, err)
					assert.Equal(t, fmt.Sprint("BUS-", n), f.ID)
				}
				seen <- protocol
			}()
		}
		hub.publishLines(t, fmt.Sprintf(`{"vehicle_id":"BUS-%d","lat":1,"lon":2}`, n))
		times := map[string]time.Duration{}
		for range readers {
			times[<-seen] = time.Since(began)
		}
		return times
	}
	const tries = 5 // a busy machine may spoil some
	for try := 1; ; try++ {
		<-time.After(flush + flush/10) // the silence that makes the streams idle
		first, second := see(), see()
		t.Logf("try %d: after silence %v, then %v", try, first, second)
		good := true
		for _, protocol := range protocolNames {
			good = good && first[protocol] < flush/2 && flush/2 < second[protocol]
		}
		if good {
			return
		}
		require.Less(t, try, tries, "an idle stream waited, or a busy one did not")
	}
}

// With the flush interval that hubs have, how long a position takes.
func TestIdleLatencyAsShipped(t *testing.T) {
	t.Parallel()
	hub := startHub(t)
	for _, protocol := range protocolNames {
		s := hub.client(t, protocol).mustOpen(t, hub.public+"/stream?snapshot=false", "")
		s.until(t, "live")
		var times []time.Duration
		for i := range 20 {
			<-time.After(30 * time.Millisecond)
			began := time.Now()
			hub.publishLines(t, fmt.Sprintf(`{"vehicle_id":"BUS","lat":1,"lon":2,"n":"%s %d"}`, protocol, i))
			_, err := s.next()
			require.NoError(t, err)
			times = append(times, time.Since(began))
		}
		t.Logf("%s: %s", protocol, percentiles(times))
		assert.Less(t, times[0], time.Second, "the fastest of %d", len(times))
	}
}
