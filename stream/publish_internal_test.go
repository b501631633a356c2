package stream

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo"
)

// answer is what a publisher learns about a position.
type answer struct {
	verdict Verdict
	seq     uint64
	refused string
}

func outcomeOf(receipt Receipt, err error) answer {
	if err != nil {
		return answer{refused: err.Error()}
	}
	return answer{receipt.Verdict, receipt.ID.Number, ""}
}

// somePositions returns positions of which some are late, repeated or from the future.
func somePositions(t *testing.T, random *rand.Rand, n int) (positions []geo.Position) {
	for range n {
		if last := len(positions) - 1; last >= 0 && random.IntN(10) == 0 {
			positions = append(positions, positions[last])
			continue
		}
		stamp := time.Now().Unix() + int64(random.IntN(4)-2+random.IntN(50)/49*100)
		p, err := geo.ParsePosition(fmt.Appendf(nil,
			`{"vehicle_id":"v%d","lat":1,"lon":%d,"timestamp":%d,"topics":["t%d"]}`,
			random.IntN(24), random.IntN(180), stamp, random.IntN(3)))
		require.NoError(t, err)
		positions = append(positions, p)
	}
	return positions
}

// newestEvents returns the hub's vehicles with the seq and Feature of their newest events.
func newestEvents(h *Hub) (all []string) {
	for id := range h.fleet.byID {
		if v := h.fleet.get(id); v != nil {
			all = append(all, fmt.Sprintf("%s %d %s", v.id, v.number, v.frame().appendWithoutID(nil)))
		}
	}
	slices.Sort(all)
	return all
}

// The event of a receipt is in the log, and its receiver may publish.
func TestPublishAllCallsDoneAfterPublishing(t *testing.T) {
	h := New(Config{})
	defer h.Close()
	positions := somePositions(t, rand.New(rand.NewPCG(3, 4)), 2*publishBatch)
	h.PublishAll(positions, func(i int, receipt Receipt, err error) {
		if err == nil && receipt.Verdict == Accepted {
			data, _, ok := h.Vehicle(positions[i].VehicleID)
			require.True(t, ok, string(data))
			publish(t, h, `{"vehicle_id":"other","lat":1,"lon":2,"n":%d}`, i)
		}
	})
}
