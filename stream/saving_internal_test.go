package stream

import (
	"testing"

	"github.com/stretchr/testify/require"
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
	_, collected := h.collectEntries()
	publish(t, h, `{"vehicle_id":"after","lat":1,"lon":3}`)
	h.Delete("before")
	var saved []string
	for _, e := range h.entriesToSave(s, collected) {
		saved = append(saved, e.vehicle.id)
	}
	require.Equal(t, []string{"evicted", "before", "after", "parked"}, saved)
	h.endSave()
}
