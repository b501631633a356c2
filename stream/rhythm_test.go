package stream_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// staleAfter returns what the newest Feature of a vehicle says of it, in seconds; 0: nothing.
func staleAfter(t *testing.T, h *stream.Hub, id string) int {
	t.Helper()
	data, _, ok := h.Vehicle(id)
	require.True(t, ok)
	var feature struct {
		Properties struct {
			StaleAfter int `json:"stale_after_s"`
		}
	}
	require.NoError(t, json.Unmarshal(data, &feature))
	return feature.Properties.StaleAfter
}

// travels publishes a position with the time of a fix that is as old as given.
func travels(t *testing.T, h *stream.Hub, id string, age time.Duration, members string) stream.Receipt {
	t.Helper()
	at := time.Now().Add(-age).UnixMilli()
	return publish(t, h, id, fmt.Sprintf(`"timestamp":%d%s`, at, members))
}

// onBoth runs a test for a hub without and with a journal.
func onBoth(t *testing.T, test func(t *testing.T, h *stream.Hub)) {
	for _, with := range []string{"memory", "journal"} {
		t.Run(with, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if with == "memory" {
					test(t, start(t, stream.Config{}))
					return
				}
				h := startOn(t, stream.Config{}, quietJournal(), nil)
				t.Cleanup(h.Close)
				test(t, h)
			})
		})
	}
}

// The hub learns from the ninth position on. Ages and gaps are rounded to few values, their sum up to fewer.
func TestStaleAfterIsLearned(t *testing.T) {
	for _, test := range []struct {
		every, age time.Duration
		want       int
	}{
		{time.Second, 0, 15},
		{5 * time.Second, 0, 15},
		{10 * time.Second, 0, 30},
		{10 * time.Second, 5 * time.Second, 45}, // each fix is 15 s old when the next one comes
		{30 * time.Second, time.Second, 90},
		{time.Minute, 0, 180},
		{time.Minute, 10 * time.Minute, 900},
		{3 * time.Hour, 0, 28800},
	} {
		t.Run(fmt.Sprint(test.every, " ", test.age), func(t *testing.T) {
			onBoth(t, func(t *testing.T, h *stream.Hub) {
				for n := range 9 {
					travels(t, h, "a", test.age, fmt.Sprintf(`,"n":%d`, n))
					if n < 8 {
						assert.Zero(t, staleAfter(t, h, "a"), "after %d positions", n+1)
					}
					time.Sleep(test.every)
				}
				assert.Equal(t, test.want, staleAfter(t, h, "a"))
			})
		})
	}
}

// A vehicle that changes its rhythm is known by the new one some dozen positions later.
func TestRhythmChanges(t *testing.T) {
	onBoth(t, func(t *testing.T, h *stream.Hub) {
		travel := func(count int, every time.Duration) {
			for range count {
				travels(t, h, "a", 0, "")
				time.Sleep(every)
			}
		}
		travel(500, time.Second)
		assert.Equal(t, 15, staleAfter(t, h, "a"))
		travel(1, 8*time.Hour)
		travel(100, time.Second)
		assert.Equal(t, 15, staleAfter(t, h, "a"), "one night is no rhythm")
		travel(70, time.Minute)
		assert.Equal(t, 180, staleAfter(t, h, "a"))
	})
}

func TestExpectWithin(t *testing.T) {
	onBoth(t, func(t *testing.T, h *stream.Hub) {
		for seconds, want := range map[string]int{"1": 15, "7.5": 15, "7.6": 20, "60": 120, "86400": 172800} {
			travels(t, h, "a", 0, `,"expect_within_s":`+seconds)
			assert.Equal(t, want, staleAfter(t, h, "a"), seconds)
			time.Sleep(time.Second)
		}
		travels(t, h, "a", 0, "")
		assert.Zero(t, staleAfter(t, h, "a"), "it says so no more")
	})
}

// What the hub adds to a Feature does not make of a duplicate something new, and readers get it with late
// positions too.
func TestStaleAfterAndDuplicates(t *testing.T) {
	onBoth(t, func(t *testing.T, h *stream.Hub) {
		c := listen(t, h, fleetQuery)
		for n := range 8 {
			travels(t, h, "a", 0, fmt.Sprintf(`,"n":%d`, n))
			time.Sleep(time.Second)
		}
		again := fmt.Sprintf(`"timestamp":%d`, time.Now().UnixMilli())
		assert.Equal(t, stream.Accepted, publish(t, h, "a", again).Verdict)
		assert.Equal(t, 15, staleAfter(t, h, "a"))
		assert.Equal(t, stream.Duplicate, publish(t, h, "a", again).Verdict)
		verdict, err := h.Check(position(t, "a", again))
		require.NoError(t, err)
		assert.Equal(t, stream.Duplicate, verdict)
		data, _, _ := h.Vehicle("a")
		assert.Equal(t, stream.Duplicate, publish(t, h, "a", again+`,"stale_after_s":99`).Verdict, "%s", data)

		travels(t, h, "b", 0, `,"stale_after_s":99`)
		assert.Zero(t, staleAfter(t, h, "b"), "it is not for publishers to say")

		c.takeText()
		late := fmt.Sprintf(`"timestamp":%d`, time.Now().Add(-time.Minute).UnixMilli())
		assert.Equal(t, stream.Late, publish(t, h, "a", late).Verdict)
		assert.Equal(t, stream.Duplicate, publish(t, h, "a", late).Verdict)
		time.Sleep(time.Second)
		assert.Regexp(t, `event: late\ndata: .*,"stale_after_s":15}}\n`, c.takeText())

		require.True(t, must(h.Delete("a")))
		assert.Equal(t, stream.Duplicate, publish(t, h, "a", again).Verdict, "also when it is gone")
	})
}

// A hub that was started from a saved state goes on as one that was not.
func TestRhythmIsSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(2, 3))
		j := quietJournal()
		first := startOn(t, stream.Config{}, j, nil)
		t.Cleanup(first.Close)
		second := first
		for n := range 300 {
			if n%37 == 0 {
				var state bytes.Buffer
				require.NoError(t, second.Save(&state))
				if second != first {
					second.Close()
				}
				second = startOn(t, stream.Config{}, j, state.Bytes())
			}
			travels(t, first, fmt.Sprint("v", random.IntN(3)), time.Duration(random.IntN(9e9)), "")
			time.Sleep(time.Duration(random.IntN(12e9)))
			if n%50 == 49 {
				must(first.Delete("v1"))
			}
			synctest.Wait()
			for i := range 3 {
				id := fmt.Sprint("v", i)
				want, _, known := first.Vehicle(id)
				got, _, too := second.Vehicle(id)
				assert.Equal(t, known, too)
				require.Equal(t, string(want), string(got))
			}
		}
		second.Close()
		assert.NotZero(t, staleAfter(t, first, "v0"))
	})
}

// A silence of the hubs' own is no rhythm of a vehicle, and readers are told when it ended.
func TestQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := quietJournal()
		h := startOn(t, stream.Config{}, j, nil)
		began := time.Now().Unix()
		for range 20 {
			travels(t, h, "a", 0, "")
			time.Sleep(time.Second)
		}
		assert.Zero(t, h.Snapshot(fleetQuery.Topics, nil).QuietFrom, "before the first message is no silence")
		var state bytes.Buffer
		require.NoError(t, h.Save(&state))
		h.Close()
		time.Sleep(time.Hour)
		h = startOn(t, stream.Config{}, j, state.Bytes())
		t.Cleanup(h.Close)
		until := time.Now().Unix()
		c := listen(t, h, fleetQuery)
		time.Sleep(time.Second)
		text := c.takeText()
		assert.NotContains(t, text, fmt.Sprint(`"quiet_from":`, began))
		assert.Contains(t, text, "event: live")
		assert.Contains(t, text, fmt.Sprintf(`,"quiet_from":%d`, until))
		for range 100 {
			travels(t, h, "a", 0, "")
			time.Sleep(time.Second)
		}
		assert.Equal(t, 15, staleAfter(t, h, "a"))
		snapshot := h.Snapshot(fleetQuery.Topics, nil)
		assert.Equal(t, until, snapshot.QuietFrom.Unix())
	})
}

// A hub without a journal knows nothing of how long it was down, nor does it take that for a rhythm.
func TestQuietInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{})
		travels(t, h, "a", 0, "")
		assert.Zero(t, h.Snapshot(fleetQuery.Topics, nil).QuietFrom)
		var state bytes.Buffer
		require.NoError(t, h.Save(&state))
		time.Sleep(time.Hour)
		next := start(t, stream.Config{})
		_, err := next.Load(&state)
		require.NoError(t, err)
		assert.True(t, next.Snapshot(fleetQuery.Topics, nil).QuietFrom.Equal(time.Now()))
		for range 9 {
			travels(t, next, "a", 0, "")
			time.Sleep(time.Second)
		}
		assert.Zero(t, staleAfter(t, next, "a"), "the first of nine followed a pause of the hub")
		travels(t, next, "a", 0, "")
		assert.Equal(t, 15, staleAfter(t, next, "a"))
	})
}

// A state with a rhythm that is none costs its vehicle alone.
func TestDamagedRhythm(t *testing.T) {
	h := start(t, stream.Config{})
	line := `{"silent":1,"rhythm":%q,"feature":` +
		`{"vehicle_id":"a","lat":1,"lon":2,"timestamp":1700000000}}`
	for _, rhythm := range []string{"AA==", "AAAB", "AAAB4AE=", "FQABEAE=", "AABAEEA=", "AAABEAI="} {
		state := `{"format":"livemap-state","version":1,"saved":"2026-01-01T00:00:00Z"}` + "\n" +
			fmt.Sprintf(line, rhythm) + "\n" + `{"vehicles":1}` + "\n"
		loaded, err := h.Load(bytes.NewReader([]byte(state)))
		require.NoError(t, err)
		assert.Equal(t, 1, loaded.Skipped, rhythm)
		assert.ErrorContains(t, loaded.Reason, "its rhythm is none")
	}
}

// A vehicle that takes the slot of a forgotten one has a rhythm of its own.
func TestRhythmIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{Settings: stream.Settings{stream.MaxVehicles: 1}})
		for range 9 {
			travels(t, h, "a", 0, "")
			time.Sleep(time.Second)
		}
		assert.Equal(t, 15, staleAfter(t, h, "a"))
		travels(t, h, "b", 0, "")
		assert.Zero(t, staleAfter(t, h, "b"))
	})
}
