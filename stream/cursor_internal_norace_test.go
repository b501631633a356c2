//go:build !race

package stream

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A delivery allocates nothing.
func TestDeliveryDoesNotAllocate(t *testing.T) {
	for _, test := range deliveries {
		t.Run(test.name, func(t *testing.T) {
			h, s, publish := newDelivery(t, test.query, test.box)
			from := h.Head().Number
			publish(2000)
			require.Zero(t, testing.AllocsPerRun(20, func() {
				rewind(s, from)
				readAll(s)
			}))
			require.Positive(t, s.sent)
		})
	}
}

// Reading a view allocates nothing per event.
func TestViewDoesNotAllocatePerEvent(t *testing.T) {
	_, s, _ := newDelivery(t, Query{Topics: []string{AllTopic}}, "")
	r := s.hub.freezeFleet()
	events := 0
	require.Zero(t, testing.AllocsPerRun(20, func() {
		s.startView(r, 0, modeSilent)
		events = readAll(s)
	}))
	require.Equal(t, 1000, events)
}
