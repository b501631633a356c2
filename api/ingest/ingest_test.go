package ingest_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"livemap/api/ingest"
	"livemap/api/problem"
	"livemap/api/token"
	"livemap/geo"
	"livemap/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newWriter returns a Writer for a hub of its own.
func newWriter(t testing.TB, grant *token.Grant) *ingest.Writer {
	t.Helper()
	hub := stream.New(stream.Config{})
	t.Cleanup(hub.Close)
	return &ingest.Writer{Hub: hub, Grant: grant, Rejected: new(atomic.Uint64)}
}

// position returns the position of a vehicle that names topics.
func position(vehicle string, lon float64, topics ...string) *geo.Position {
	p, err := geo.ParsePosition(fmt.Appendf(nil, `{"vehicle_id":%q,"lon":%v,"lat":52.5,"timestamp":1795421061}`,
		vehicle, lon))
	if err != nil {
		panic(err)
	}
	p.Topics = topics
	return &p
}

// TestAckCountsEveryItem finds each item in the ack once, and refusals in the order of their items.
func TestAckCountsEveryItem(t *testing.T) {
	w := newWriter(t, nil)
	w.Add(0, position("a", 1))
	w.Reject(1, &geo.Refusal{VehicleID: "b", Field: "lat", Detail: "wrong"})
	w.Add(2, position("a", 1))
	w.Reject(3, errors.New("too long"))
	w.Add(4, position("a", 2))
	w.Flush()
	ack, err := w.Ack()
	require.NoError(t, err)
	require.Equal(t, []int{2, 2, 1}, []int{ack.Accepted, ack.Rejected, ack.Duplicate})
	require.Equal(t, []problem.Refusal{
		{Index: 1, VehicleID: "b", Field: "lat", Detail: "wrong"},
		{Index: 3, Detail: "too long"},
	}, ack.Errors)
	require.Equal(t, "PARTIAL", ack.Status)
	require.Equal(t, w.Hub.Head().String(), ack.LastEventID)
	require.Equal(t, uint64(2), w.Rejected.Load())
}

// TestGrant finds that a token bounds the vehicles and the topics of a publish.
func TestGrant(t *testing.T) {
	grant := &token.Grant{Publish: token.Patterns{"TRUCK-*"}, Topics: token.Patterns{"depot:*"}}
	for _, c := range []struct {
		name  string
		p     *geo.Position
		field string
	}{
		{"its vehicle", position("TRUCK-1", 1), ""},
		{"its vehicle and topic", position("TRUCK-1", 1, "depot:7"), ""},
		{"another vehicle", position("VAN-1", 1), "vehicle_id"},
		{"another topic", position("TRUCK-1", 1, "depot:7", "city"), "topics"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWriter(t, grant)
			w.Add(0, c.p)
			w.Flush()
			ack, err := w.Ack()
			if c.field == "" {
				require.NoError(t, err)
				require.Equal(t, 1, ack.Accepted)
				return
			}
			refused, is := errors.AsType[*ingest.RefusedError](err)
			require.True(t, is, err)
			require.True(t, refused.Forbidden)
			require.Equal(t, c.field, refused.Errors[0].Field)
			require.Zero(t, w.Hub.Stats().Vehicles)
		})
	}
}

// TestRefusedErrorOfMixedReasons is not forbidden: a better token alone would not help.
func TestRefusedErrorOfMixedReasons(t *testing.T) {
	w := newWriter(t, &token.Grant{Publish: token.Patterns{"a"}})
	w.Add(0, position("b", 1))
	w.Reject(1, errors.New("wrong"))
	_, err := w.Ack()
	refused, is := errors.AsType[*ingest.RefusedError](err)
	require.True(t, is, err)
	require.False(t, refused.Forbidden)
	require.Equal(t, 2, refused.Rejected)
}

// TestDryRunPublishesNothing checks positions and leaves the hub as it was.
func TestDryRunPublishesNothing(t *testing.T) {
	w := newWriter(t, nil)
	w.DryRun = true
	w.Add(0, position("a", 1))
	w.Flush()
	ack, err := w.Ack()
	require.NoError(t, err)
	require.Equal(t, 1, ack.Accepted)
	require.Zero(t, w.Hub.Stats().Vehicles)
}

// TestRateLimit lets a publisher that owes nothing publish, and names the wait to one that owes.
func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var limiters ingest.RateLimiters
		w := newWriter(t, nil)
		var err error
		w.Rate, err = limiters.Acquire("a", 10)
		require.NoError(t, err)
		for i := range 40 {
			w.Add(i, position("a", float64(i)))
		}
		w.Flush()
		_, err = limiters.Acquire("a", 10)
		require.Equal(t, &ingest.RateError{PerSecond: 10, Wait: 4}, err)
		_, err = limiters.Acquire("b", 10)
		require.NoError(t, err)
		began := time.Now()
		w.Rate.Wait(t.Context())
		require.Equal(t, 3*time.Second, time.Since(began))
		time.Sleep(time.Second)
		_, err = limiters.Acquire("a", 10)
		require.NoError(t, err)
	})
}
