package geo

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWire holds the bytes: a journal may be older than the program that reads it.
func TestWire(t *testing.T) {
	for item, want := range map[string]string{
		`{"vehicle_id":"A","lon":1,"lat":-2,"timestamp":1700000000.25}`: "80b21045fe9c9717" +
			"000000000000f03f" + "00000000000000c0" + "00" + "0141" + "77" + hex.EncodeToString([]byte(
			`{"type":"Feature","id":"A","geometry":{"type":"Point","coordinates":[1,-2]},`+
				`"properties":{"vehicle_id":"A","timestamp":`)),
		`{"vehicle_id":"A","lon":0,"lat":0,"topics":["a","bc"]}`: "0000000000000080" +
			"0000000000000000" + "0000000000000000" + "03" + "0161" + "026263" + "0141" + "76",
		`{"vehicle_id":"A","lon":0,"lat":0,"topics":[]}`: "0000000000000080" +
			"0000000000000000" + "0000000000000000" + "01" + "0141" + "76",
	} {
		p, err := ParsePosition([]byte(item))
		require.NoError(t, err)
		wire := p.AppendWire(nil)
		got := hex.EncodeToString(wire)
		require.GreaterOrEqual(t, len(got), len(want), item)
		assert.Equal(t, want, got[:len(want)], item)

		var q Position
		require.NoError(t, q.ReadWire(wire))
		assert.True(t, p.Time.Equal(q.Time))
		p.Time, q.Time, p.Hints = time.Time{}, time.Time{}, 0
		assert.Equal(t, p, q, item)
		for n := range wire {
			assert.ErrorIs(t, q.ReadWire(wire[:n]), ErrWire, "%s, %d bytes", item, n)
		}
		assert.ErrorIs(t, q.ReadWire(append(wire, 0)), ErrWire)
	}
}

func FuzzWirePosition(f *testing.F) {
	p, err := ParsePosition([]byte(`{"vehicle_id":"A","lon":0,"lat":0,"topics":["a","bc"],"timestamp":17e8}`))
	require.NoError(f, err)
	f.Add(p.AppendWire(nil))
	f.Fuzz(func(t *testing.T, wire []byte) {
		var p, q Position
		if p.ReadWire(wire) != nil {
			return
		}
		again := p.AppendWire(nil)
		require.NoError(t, q.ReadWire(again)) // a length may have been written in too many bytes
		assert.Equal(t, again, q.AppendWire(nil))
	})
}
