package ingest_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/api/ingest"
	"livemap/api/problem"
	"livemap/api/token"
	"livemap/geo"
	"livemap/stream"
)

// item is an item of a request: a position, or what is wrong with it.
type item struct {
	position *geo.Position
	wrong    error
}

// publishItems publishes items under a key, as a request that comes for the first time or again.
func publishItems(hub *stream.Hub, grant *token.Grant, key *ingest.Key, items ...item) (*problem.Ack, error) {
	return publishWith(&ingest.Writer{Hub: hub, Grant: grant, Key: key, Rejected: new(atomic.Uint64)}, items...)
}

func publishWith(w *ingest.Writer, items ...item) (*problem.Ack, error) {
	for i, it := range items {
		if it.wrong != nil {
			w.Reject(i, it.wrong)
		} else {
			w.Add(i, it.position)
		}
	}
	w.Flush()
	return w.Ack()
}

func keyed(publisher, name, body string) *ingest.Key {
	return ingest.NewKey(publisher, name, "test", []byte(body))
}

// at returns an item whose position has a time.
func at(vehicle string, t time.Time) item {
	p := position(vehicle, 1)
	p.Time = t
	return item{position: p}
}

// TestOnce publishes again neither a repeat nor another body.
func TestOnce(t *testing.T) {
	hub := stream.New(stream.Config{})
	defer hub.Close()
	ack, err := publishItems(hub, nil, keyed("me", "k", "1"), item{position: position("a", 1)})
	require.NoError(t, err)
	head := hub.Head()
	again, err := publishItems(hub, nil, keyed("me", "k", "1"), item{position: position("a", 1)})
	require.NoError(t, err)
	require.Equal(t, ack, again)
	_, err = publishItems(hub, nil, keyed("me", "k", "2"), item{position: position("b", 1)})
	require.Equal(t, &ingest.KeyReusedError{Key: "k"}, err)
	require.Equal(t, head, hub.Head())
	_, err = publishItems(hub, nil, keyed("another", "k", "2"), item{position: position("b", 1)})
	require.NoError(t, err)
	require.NotEqual(t, head, hub.Head())
	require.NotEqual(t, keyed("a b", "c", "").ID, keyed("a", "b c", "").ID)
	require.NotEqual(t, ingest.NewKey("a", "b", "x", nil).Body, ingest.NewKey("a", "b", "y", nil).Body)
}

// TestAckOfARepeat is that of the first, though the clock went on and the rights are others since: of a
// request of several parts, with items of all kinds.
func TestAckOfARepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := stream.New(stream.Config{})
		defer hub.Close()
		var items []item
		ahead := time.Now().Add(2 * time.Minute)
		for n := range 700 {
			switch n % 7 {
			case 0:
				items = append(items, item{wrong: &geo.Refusal{VehicleID: "w", Field: "lat", Detail: fmt.Sprint(n)}})
			case 1:
				items = append(items, at("ahead", ahead))
			case 2:
				items = append(items, at("other", time.Now()))
			default:
				items = append(items, at(fmt.Sprint("mine", n), time.Now().Add(-time.Hour)))
			}
		}
		grant := &token.Grant{Publish: token.Patterns{"mine*", "ahead"}}
		first, err := publishItems(hub, grant, keyed("me", "k", ""), items...)
		require.NoError(t, err)
		require.Equal(t, []int{400, 300}, []int{first.Accepted, first.Rejected})
		require.Len(t, first.Errors, 100)
		for i, e := range first.Errors {
			require.Equal(t, i%3+i/3*7, e.Index, "in order")
		}
		time.Sleep(3 * time.Minute)
		var limiters ingest.RateLimiters
		rate, err := limiters.Acquire("me", 1)
		require.NoError(t, err)
		w := &ingest.Writer{Hub: hub, Key: keyed("me", "k", ""), Rejected: new(atomic.Uint64), Rate: rate}
		again, err := publishWith(w, items...)
		require.NoError(t, err)
		require.Equal(t, first, again)
		require.Zero(t, w.Rejected.Load(), "it was counted at first")
		_, err = limiters.Acquire("me", 1)
		require.NoError(t, err, "a repeat costs nothing")
		require.Equal(t, 400, hub.Stats().Vehicles)
	})
}

// TestRepeatOfAPart publishes what is missing of a request that a hub did not get to the end of.
func TestRepeatOfAPart(t *testing.T) {
	hub := stream.New(stream.Config{})
	defer hub.Close()
	var items []item
	part := stream.RequestPart{}
	for n := range stream.MaxPart + 1 {
		items = append(items, item{position: position(fmt.Sprint("v", n), 1)})
		if n < stream.MaxPart {
			part.Positions, part.Items = append(part.Positions, *items[n].position), append(part.Items, n)
		}
	}
	key := keyed("me", "k", "")
	_, err := hub.PublishOnce(stream.Source{}, key.Key, part)
	require.NoError(t, err)
	head := hub.Head().Number
	ack, err := publishItems(hub, nil, key, items...)
	require.NoError(t, err)
	require.Equal(t, stream.MaxPart+1, ack.Accepted)
	require.Equal(t, head+1, hub.Head().Number)
}

// TestRefusedIsNotRemembered: a request of which nothing was published may be mended in rights or time, and
// comes again.
func TestRefusedIsNotRemembered(t *testing.T) {
	hub := stream.New(stream.Config{})
	defer hub.Close()
	var items []item
	for n := range 600 {
		items = append(items, item{position: position(fmt.Sprint("v", n), 1)})
	}
	key := keyed("me", "k", "")
	w := &ingest.Writer{Hub: hub, Grant: &token.Grant{}, Key: key, Rejected: new(atomic.Uint64)}
	for i, it := range items {
		w.Add(i, it.position)
	}
	known, err := hub.IsKnown(key.Key, 0)
	require.NoError(t, err)
	require.False(t, known, "the hub is not bothered with it")
	w.Flush()
	_, err = w.Ack()
	refused, is := errors.AsType[*ingest.RefusedError](err)
	require.True(t, is, err)
	require.True(t, refused.Forbidden)
	require.Equal(t, 600, refused.Rejected)
	require.Zero(t, hub.Stats().Vehicles)
	ack, err := publishItems(hub, nil, key, items...)
	require.NoError(t, err)
	require.Equal(t, 600, ack.Accepted)
	require.Equal(t, 600, hub.Stats().Vehicles)
}

// TestNothingAfterAReusedKey publishes nothing of a request once it was refused, though the key is free by
// then.
func TestNothingAfterAReusedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := stream.New(stream.Config{})
		defer hub.Close()
		_, err := publishItems(hub, nil, keyed("me", "k", "1"), at("a", time.Time{}))
		require.NoError(t, err)
		w := &ingest.Writer{Hub: hub, Key: keyed("me", "k", "2"), Rejected: new(atomic.Uint64)}
		for n := range stream.MaxPart + 1 {
			w.Add(n, at(fmt.Sprint("v", n), time.Time{}).position)
		}
		time.Sleep(stream.KeyLife + time.Second)
		w.Flush()
		_, err = w.Ack()
		require.Equal(t, &ingest.KeyReusedError{Key: "k"}, err)
		require.Equal(t, 1, hub.Stats().Vehicles)
	})
}

// TestLargeItemsUnderAKey divides a request whose positions do not fit into one message of the journal.
func TestLargeItemsUnderAKey(t *testing.T) {
	hub := stream.New(stream.Config{})
	defer hub.Close()
	var items []item
	for n := range 40 {
		p, err := geo.ParsePosition(fmt.Appendf(nil, `{"vehicle_id":"v%d","lon":1,"lat":2,"pad":"%015000d"}`, n, 0))
		require.NoError(t, err)
		items = append(items, item{position: &p})
	}
	key := keyed("me", "k", "")
	ack, err := publishItems(hub, nil, key, items...)
	require.NoError(t, err)
	require.Equal(t, 40, ack.Accepted)
	known, err := hub.IsKnown(key.Key, 2)
	require.NoError(t, err)
	require.True(t, known, "40 of 15,000 bytes are three parts")
}
