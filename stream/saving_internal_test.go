package stream

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"livemap/geo"
)

// Vehicles that change while a save collects them, before or after their turn, are in it once.
func TestSaveWhileItCollects(t *testing.T) {
	h := New(Config{Settings: Settings{MaxVehicles: 4}})
	defer h.Close()
	for _, id := range []string{"evicted", "before", "after", "parked"} {
		publish(t, h, `{"vehicle_id":%q,"lat":1,"lon":2}`, id)
	}
	s := h.beginSave()
	publish(t, h, `{"vehicle_id":"before","lat":1,"lon":3}`)
	publish(t, h, `{"vehicle_id":"new","lat":1,"lon":3}`)
	_, collected := h.collectEntries(func() {})
	publish(t, h, `{"vehicle_id":"after","lat":1,"lon":3}`)
	h.Delete("before")
	var saved []string
	for _, e := range h.entriesToSave(s, collected, func() {}) {
		saved = append(saved, e.vehicle.id)
	}
	require.Equal(t, []string{"evicted", "before", "after", "parked"}, saved)
	h.endSave()
}

// TestSortInPieces sorts any number of entries.
func TestSortInPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{0, 1, 2047, 2048, 2049, 4096, 5000, 20_000} {
		var entries []viewEntry
		for range size {
			entries = append(entries, viewEntry{number: number(random.IntN(size))})
		}
		want := slices.Clone(entries)
		slices.SortFunc(want, func(a, b viewEntry) int { return cmp.Compare(a.number, b.number) })
		pauses := 0
		require.Equal(t, want, sortInPieces(entries, func() { pauses++ }), size)
		require.GreaterOrEqual(t, pauses, size/2048)
	}
}

// TestTextsLikeMembers saves texts that look like the member of a line that has the Feature.
func TestTextsLikeMembers(t *testing.T) {
	h := New(Config{})
	defer h.Close()
	const text = `a,"feature":{"b":1}`
	p, err := geo.ParsePosition(fmt.Appendf(nil, `{"vehicle_id":%q,"lat":1,"lon":2,"topics":[%[1]q],"x":%[1]q,
		"feature":{"y":"z"}}`, text))
	require.NoError(t, err)
	h.PublishFrom(Source{Publisher: text}, []geo.Position{p}, func(int, Receipt, error) {})
	var state bytes.Buffer
	require.NoError(t, h.Save(&state))
	again := New(Config{})
	defer again.Close()
	loaded, err := again.Load(&state)
	require.NoError(t, err)
	require.NoError(t, loaded.Reason)
	v, same := h.fleet.get(text), again.fleet.get(text)
	require.Equal(t, string(v.feature()), string(same.feature()))
	require.Equal(t, text, (*same.here.topics)[0].id)
	require.Equal(t, text, again.fleet.ownerOf(same).name)
}
