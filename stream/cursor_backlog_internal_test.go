package stream

import (
	"testing"

	"github.com/stretchr/testify/require"

	"livemap/geo"
)

// The backlog of a reader is counted to the byte, over many more events than one lock allows to
// examine.
func TestBacklogIsBytesInScope(t *testing.T) {
	box, err := geo.ParseBox("0,0,5,5")
	require.NoError(t, err)
	for name, q := range map[string]Query{
		"whole":     {Topics: []string{AllTopic}},
		"box":       {Topics: []string{AllTopic}, Box: &box},
		"topic":     {Topics: []string{"x"}},
		"topic box": {Topics: []string{"x"}, Box: &box},
		"vehicles":  {Topics: []string{"vehicle:v1", "vehicle:v4"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := New(Config{})
			defer h.Close()
			s := &cursor{hub: h, scope: newScope(q.Topics, q.Box)}
			const from = 3
			inScope := 0
			for i := range 3*scanLimit + 5 {
				publish(t, h, `{"vehicle_id":"v%d","lat":%d,"lon":2,"topics":["t%d"],"n":%d}`, i%7, i*7919%10, i%3, i)
				if i%3 == 0 {
					publish(t, h, `{"vehicle_id":"v%d","lat":%d,"lon":2,"topics":["x"],"n":%d}`, i%7, i*7919%10, -i)
				}
			}
			for seq := uint64(from); seq <= h.Head().Number; seq++ {
				if r, event := h.log.at(seq); s.scope.delivery(r) != deliverNothing {
					inScope += len(event.text)
				}
			}
			h.config.MaxBacklog = inScope
			require.False(t, s.lagging(from-1))
			s.countedAt = 0
			h.config.MaxBacklog--
			require.True(t, s.lagging(from-1))

			// A count is reused until the backlog may have become too large.
			h.config.MaxBacklog += 10_000
			s.countedAt = 0
			require.False(t, s.lagging(from-1))
			for i := range 80 {
				publish(t, h, `{"vehicle_id":"v1","lat":1,"lon":2,"topics":["x"],"n":%d}`, -100_000-i)
			}
			require.True(t, s.lagging(from-1))
		})
	}
}

// A reader with an interval has no backlog, and nothing is counted.
func TestBacklogOfIntervalIsNone(t *testing.T) {
	h := New(Config{MaxBacklog: 1})
	defer h.Close()
	publish(t, h, `{"vehicle_id":"v","lat":1,"lon":2}`)
	s := &cursor{hub: h, scope: newScope([]string{AllTopic}, nil)}
	require.True(t, s.lagging(0))
	s.query.Interval = 1
	require.False(t, s.lagging(0))
}
