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
	// see publishes a position and returns when each protocol showed it.
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
	// A busy machine may spoil some tries. A hub with a fault spoils all.
	atOnce, waited := map[string]bool{}, map[string]bool{}
	for limit := time.Now().Add(e2eLimit); len(atOnce) < len(readers) || len(waited) < len(readers); {
		require.True(t, time.Now().Before(limit), "at once: %v, waited: %v", atOnce, waited)
		<-time.After(flush + flush/10) // the silence that makes the streams idle
		first, second := see(), see()
		t.Logf("after silence %v, then %v", first, second)
		for protocol := range readers {
			if first[protocol] < flush/2 {
				atOnce[protocol] = true
			}
			if second[protocol] > flush/2 {
				waited[protocol] = true
			}
		}
	}
}

// With the flush interval that hubs have, each position comes, though none follows. How long
// that takes is logged: the benchmark measures it.
func TestIdleLatencyAsShipped(t *testing.T) {
	t.Parallel()
	hub := startHub(t)
	for _, protocol := range protocolNames {
		s := hub.client(t, protocol).mustOpen(t, hub.public+"/stream?snapshot=false", "")
		s.until(t, "live")
		var times []time.Duration
		for i := range 20 {
			began := time.Now()
			hub.publishLines(t, fmt.Sprintf(`{"vehicle_id":"BUS","lat":1,"lon":2,"n":"%s %d"}`, protocol, i))
			_, err := s.next()
			require.NoError(t, err)
			times = append(times, time.Since(began))
		}
		t.Logf("%s: %s", protocol, percentiles(times))
	}
}
