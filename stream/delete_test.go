package stream_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// everyone allows every vehicle.
func everyone(string) bool { return true }

func TestDeleteAll(t *testing.T) {
	for _, c := range []struct {
		name    string
		topics  []string
		may     func(id string) bool
		deleted int
		told    string // to a reader of the whole fleet
	}{
		{"one topic", []string{"x"}, everyone, 2, "7 gone a deleted | 8 gone b deleted"},
		{"several, each vehicle once", []string{"x", "y"}, everyone, 3,
			"7 gone a deleted | 8 gone b deleted | 9 gone c deleted"},
		{"a vehicle's own", []string{"vehicle:d", "vehicle:gone"}, everyone, 1, "7 gone d deleted"},
		{"all", []string{stream.AllTopic}, everyone, 4,
			"7 gone a deleted | 8 gone b deleted | 9 gone c deleted | 10 gone d deleted"},
		{"a topic of nobody", []string{"z"}, everyone, 0, ""},
		{"only some are allowed", []string{stream.AllTopic}, func(id string) bool { return id > "b" }, 2,
			"7 gone c deleted | 8 gone d deleted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := quietHub(t)
				publish(t, h, "a", `"topics":["x"]`)
				publish(t, h, "b", `"topics":["x","y"]`)
				publish(t, h, "c", `"topics":["y"]`)
				publish(t, h, "d", "")
				publish(t, h, "gone", `"topics":["x","z"]`)
				h.Delete("gone")
				reader := listen(t, h, fleetQuery)
				time.Sleep(time.Second)
				reader.takeEvents()
				require.Equal(t, c.deleted, must(h.DeleteAll(c.topics, c.may)))
				time.Sleep(time.Second)
				require.Equal(t, c.told, reader.takeEvents())
				require.Equal(t, 4-c.deleted, h.Stats().Vehicles)
				require.Zero(t, must(h.DeleteAll(c.topics, c.may)), "they are gone already")
			})
		})
	}
}

// A deleted vehicle comes back with its next position, in no topic.
func TestDeletedVehiclesComeBack(t *testing.T) {
	h := start(t, stream.Config{})
	publish(t, h, "a", `"topics":["x"],"timestamp":900000100`)
	require.Equal(t, 1, must(h.DeleteAll([]string{"x"}, everyone)))
	require.Equal(t, stream.Late, publish(t, h, "a", `"timestamp":900000099`).Verdict)
	require.Zero(t, h.Stats().Vehicles)
	publish(t, h, "a", `"timestamp":900000101`)
	require.Equal(t, 1, h.Stats().Vehicles)
	require.Zero(t, must(h.DeleteAll([]string{"x"}, everyone)))
}

// Publishers get their turn while many vehicles are deleted. may is called without the lock: a publish in
// it is one of another publisher. Vehicles that come meanwhile stay, and so does one that has left.
func TestDeleteAllInPortions(t *testing.T) {
	const vehicles, portion = 1000, 64
	h := start(t, stream.Config{})
	for n := range vehicles {
		publish(t, h, fmt.Sprintf("v%03d", n), `"topics":["x"]`)
	}
	was, most := vehicles, 0
	deleted := must(h.DeleteAll([]string{"x"}, func(id string) bool {
		left := h.Stats().Vehicles
		most = max(most, was-left)
		publish(t, h, strings.Replace(id, "v", "new", 1), `"topics":["x"]`)
		if id == "v000" {
			publish(t, h, "v999", `"topics":[]`)
		}
		was = left + 1
		return true
	}))
	require.Equal(t, vehicles-1, deleted)
	require.Equal(t, portion, most, "vehicles under one lock")
	require.Equal(t, vehicles+1, h.Stats().Vehicles)
}
