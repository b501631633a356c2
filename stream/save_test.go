package stream_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
)

var (
	regexpSaved = regexp.MustCompile(`,"saved":"[^"]*"`)
	regexpStamp = regexp.MustCompile(`,"timestamp":[0-9.]+`)
)

func save(t testing.TB, h *stream.Hub) string {
	t.Helper()
	var state bytes.Buffer
	require.NoError(t, h.Save(&state))
	return state.String()
}

// restoredHub returns a new hub that has loaded the state, which must hold n vehicles.
func restoredHub(t testing.TB, config stream.Config, state string, n int) *stream.Hub {
	t.Helper()
	h := start(t, config)
	loaded, err := h.Load(strings.NewReader(state))
	require.NoError(t, err)
	require.Equal(t, n, loaded)
	return h
}

func TestStateRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := quietHub(t)
		awkwardTopic := "<é \"\\ü"
		awkward := `"topics":["<é \"\\ü"],"note":"<b> & \u2028 \n ü","filler":"` + strings.Repeat("<",
			12_000) + `"`
		publish(t, old, "a", `"topics":["x","y"],"timestamp":946684800.123456789`)
		publish(t, old, "b<", awkward)
		publish(t, old, "c", `"topics":["x"]`)
		publish(t, old, "a", `"n":1`)
		old.Delete("c")
		h := restoredHub(t, stream.Config{}, save(t, old), 3)

		require.NotEqual(t, old.Head().Epoch, h.Head().Epoch, "ids are never used again")
		for _, id := range []string{"a", "b<"} {
			want, _, ok := old.Vehicle(id)
			require.True(t, ok)
			got, _, ok := h.Vehicle(id)
			require.True(t, ok)
			require.Equal(t, string(want), string(got))
		}
		_, _, ok := h.Vehicle("c")
		require.False(t, ok)
		stats := h.Stats()
		require.Equal(t, 2, stats.Vehicles)
		require.Equal(t, 1, stats.Gone)
		require.EqualValues(t, 3, stats.LogEvents)
		require.Equal(t, "reset new | 2 a | 3 live snapshot 1 0", resume(t, h, topicQuery("x"), ""))
		require.Equal(t, "reset new | 2 a | 3 live snapshot 1 0", resume(t, h, topicQuery("y"), ""))
		require.Equal(t, "reset new | 1 b< | 3 live snapshot 1 0", resume(t, h, topicQuery(awkwardTopic), ""))
		require.Equal(t, "reset epoch | 1 b< | 2 a | 3 live snapshot 2",
			resume(t, h, fleetQuery, old.Head().String()))

		// A save of the restored hub is the same again.
		again := restoredHub(t, stream.Config{}, save(t, h), 3)
		want, _, _ := h.Vehicle("b<")
		got, _, _ := again.Vehicle("b<")
		require.Equal(t, string(want), string(got))
	})
}

func TestStateKeepsVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := quietHub(t)
		publish(t, old, "a", `"topics":["x"],"timestamp":946684800.5,"note":"<&>"`)
		publish(t, old, "c", `"topics":["x"],"timestamp":946684800.5`)
		old.Delete("c")
		h := restoredHub(t, stream.Config{}, save(t, old), 2)
		require.Equal(t, stream.Duplicate, publish(t, h, "a", `"timestamp":946684800.5,"note":"<&>"`).Verdict)
		require.Equal(t, stream.Duplicate,
			publish(t, h, "a", `"topics":["x"],"timestamp":946684800.5,"note":"<&>"`).Verdict)
		require.Equal(t, stream.Late, publish(t, h, "a", `"timestamp":946684800.4`).Verdict)
		c := listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Box: box(t, "1,0.5,5,5")})
		c.takeWrites()
		require.Equal(t, stream.Late, publish(t, h, "c", `"timestamp":946684800.4`).Verdict,
			"a late position does not bring it back")
		time.Sleep(time.Second)
		require.Equal(t, "4 late c", c.takeEvents(), "filed where it was")
		require.Equal(t, stream.Duplicate, publish(t, h, "c", `"timestamp":946684800.5`).Verdict,
			"nor does a repeat")
		require.Equal(t, 1, h.Stats().Gone)
		receipt := publish(t, h, "c", `"timestamp":946684800.6`)
		require.Equal(t, stream.Accepted, receipt.Verdict)
		require.Zero(t, h.Stats().Gone)
		require.EqualValues(t, 5, receipt.ID.Seq, "after those of the two vehicles and the two late ones")
	})
}

// A vehicle was silent while the hub was down.
func TestStateSilenceCountsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := stream.Config{VehicleTTL: 100 * time.Second}
		old := start(t, config)
		publish(t, old, "a", "")
		publish(t, old, "b", "")
		time.Sleep(30 * time.Second)
		publish(t, old, "a", "")
		state := save(t, old)
		time.Sleep(50 * time.Second)
		h := restoredHub(t, config, state, 2)
		time.Sleep(19500 * time.Millisecond)
		require.Equal(t, 2, h.Stats().Vehicles)
		time.Sleep(time.Second)
		require.Equal(t, 1, h.Stats().Vehicles)
		time.Sleep(29 * time.Second)
		require.Equal(t, 1, h.Stats().Vehicles)
		time.Sleep(time.Second)
		require.Zero(t, h.Stats().Vehicles)
	})
}

// The order of last reports differs from that of positions.
func TestStateKeepsOrderOfSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := quietHub(t)
		for _, id := range []string{"a", "b", "c"} {
			publish(t, old, id, `"timestamp":100`)
			time.Sleep(time.Second)
		}
		publish(t, old, "a", `"timestamp":99`)
		h := restoredHub(t, stream.Config{MaxVehicles: 3}, save(t, old), 3)
		publish(t, h, "d", "")
		publish(t, h, "e", "")
		_, _, ok := h.Vehicle("a")
		require.True(t, ok)
		require.Equal(t, 3, h.Stats().Vehicles)
	})
}

func TestStateOfMoreVehiclesThanAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := quietHub(t)
		for n := range 20 {
			publish(t, old, fmt.Sprint("v", n), fmt.Sprintf(`"topics":["t%d"]`, n))
		}
		h := restoredHub(t, stream.Config{MaxVehicles: 5}, save(t, old), 5)
		require.Equal(t, 5, h.Stats().Vehicles)
		require.Equal(t, 20, h.Stats().Topics, "the log still holds what happened in them")
		_, _, ok := h.Vehicle("v15")
		require.True(t, ok, "the newest are kept")
		_, _, ok = h.Vehicle("v14")
		require.False(t, ok)
	})
}

// A reader that was cut within its snapshot, right after the load, resumes.
func TestStateResumeAfterLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := quietHub(t)
		for _, id := range []string{"a", "b", "c"} {
			publish(t, old, id, `"topics":["x"]`)
		}
		h := restoredHub(t, stream.Config{}, save(t, old), 3)
		id := func(seq uint64) string { return stream.ID{Epoch: h.Head().Epoch, Seq: seq}.String() }
		require.Equal(t, "3 live replay 0 0", resume(t, h, fleetQuery, id(3)))
		require.Equal(t, "2 b | 3 c | 3 live replay 2 0", resume(t, h, fleetQuery, id(1)))
		require.Equal(t, "3 c | 3 live replay 1 0", resume(t, h, topicQuery("vehicle:c"), id(2)))
		require.Equal(t, "2 b | 3 c | 3 live replay 2 0", resume(t, h, topicQuery("x"), id(1)))
		require.Equal(t, "3 live replay 0 0", resume(t, h, topicQuery("x"), id(3)))
		publish(t, h, "a", `"n":1`)
		require.Equal(t, "4 a | 4 live replay 1 0", resume(t, h, topicQuery("x"), id(3)))
		require.Equal(t, "2 b | 3 c | 4 a | 4 live replay 3 0", resume(t, h, fleetQuery, id(1)))
	})
}

// After a load all readers come back at once, and vehicles move while they read the state. Each
// reader gets every old position once, with its id, and then the new ones.
func TestStateIsReadWhileVehiclesMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := quietHub(t)
		const n = 600 // a write holds some dozens of them
		for i := range n {
			publish(t, old, fmt.Sprintf("v%03d", i), `"filler":"`+strings.Repeat("x", 200)+`"`)
		}
		old.Delete("v000")
		h := restoredHub(t, stream.Config{}, save(t, old), n)
		c := listenSlowly(t, h, fleetQuery)
		for range 4 { // into the middle of the snapshot
			c.gate <- struct{}{}
			synctest.Wait()
		}
		received := c.takeText()
		require.NotEmpty(t, received)
		require.False(t, strings.Contains(received, "event: live"), "it is in the midst of it")
		for i := range n {
			if i%3 == 0 {
				publish(t, h, fmt.Sprintf("v%03d", i), `"n":1`)
			}
		}
		close(c.gate)
		time.Sleep(time.Minute)
		received += c.takeText()
		require.False(t, strings.Contains(received, "conflated"))
		require.Equal(t, 1, strings.Count(received, "event: live"))
		require.Equal(t, n-1+n/3, strings.Count(received, "Feature"), "every state, and every move")
		for event := range strings.SplitSeq(received, "\n\n") {
			if strings.Contains(event, "Feature") || strings.Contains(event, "event: live") {
				require.True(t, strings.Contains("\n"+event, "\nid: "))
			}
		}
	})
}

// The hub knows a state completely, even if the log has no room for it.
func TestStateLargerThanTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := quietHub(t)
		const n = 2000
		for i := range n {
			publish(t, old, fmt.Sprintf("v%04d", i), `"topics":["x"],"filler":"`+strings.Repeat("x", 1000)+`"`)
		}
		h := restoredHub(t, stream.Config{History: 1 << 20}, save(t, old), n)
		require.Less(t, h.Stats().LogEvents, uint64(n))
		for _, topic := range []string{stream.AllTopic, "x"} {
			ids, _ := collection(t, h.Snapshot([]string{topic}, nil))
			require.Equal(t, n, len(strings.Fields(ids)))
		}
		require.Equal(t, n, strings.Count(save(t, h), "Feature"))
	})
}

func TestDamagedStateIsRejected(t *testing.T) {
	old := start(t, stream.Config{})
	publish(t, old, "a", `"topics":["x"]`)
	publish(t, old, "b", "")
	publish(t, old, "c", "")
	old.Delete("c")
	state := save(t, old)
	lines := strings.SplitAfter(state, "\n")
	for name, text := range map[string]string{
		"empty": "", "another format": `{"format":"x","version":1}` + "\n", "no JSON": "hello\n" + state,
		"future version": strings.Replace(state, `"version":1`, `"version":2`, 1),
		"no version":     strings.Replace(state, `"version":1,`, "", 1),
		"no time":        regexpSaved.ReplaceAllString(state, ""),
		"no footer":      strings.Join(lines[:4], ""),
		"a line less":    strings.Join(append(lines[:1:1], lines[2:]...), ""),
		"bad Feature":    strings.Replace(state, `[2,1]`, `[2,91]`, 1),
		"no timestamp":   regexpStamp.ReplaceAllString(state, ""),
		"bad reason":     strings.Replace(state, `"gone":"deleted"`, `"gone":"\n\ndata: x"`, 1),
		"nameless":       strings.Replace(state, `"vehicle_id":"c"`, `"vehicle_id":""`, 1),
		"bad topic":      strings.Replace(state, `"topics":["x"]`, `"topics":["x\n"]`, 1),
		"topic twice":    strings.Replace(state, `"topics":["x"]`, `"topics":["x","x"]`, 1),
		"negative time":  strings.Replace(state, `"silent":`, `"silent":-1`, 1),
		"long line":      strings.Join(lines[:1], "") + strings.Repeat(" ", 100_000) + strings.Join(lines[1:], ""),
	} {
		require.NotEqual(t, state, text, name)
		requireRejected(t, name, text)
	}
	for n := range len(state) - 1 {
		requireRejected(t, fmt.Sprint("torn at ", n), state[:n])
	}
}

// requireRejected loads a state that must be rejected. The hub must then be empty and work.
func requireRejected(t *testing.T, name, state string) {
	h := stream.New(stream.Config{})
	defer h.Close()
	_, err := h.Load(strings.NewReader(state))
	require.Error(t, err, name)
	require.NotEmpty(t, err.Error())
	stats := h.Stats()
	require.Zero(t, stats.Vehicles+stats.Gone+stats.Topics, name)
	require.EqualValues(t, 1, publish(t, h, "a", "").ID.Seq, name)
}

func TestStateIsLoadedIntoANewHubOnly(t *testing.T) {
	h := start(t, stream.Config{})
	publish(t, h, "a", "")
	_, err := h.Load(strings.NewReader(save(t, h)))
	require.Error(t, err)
	require.Equal(t, 1, h.Stats().Vehicles)
}

// A hub whose clock was wrong when it saved must not harm the next one.
func TestStateFromAnotherTime(t *testing.T) {
	for _, year := range []int{1970, 2200} {
		synctest.Test(t, func(t *testing.T) {
			config := stream.Config{VehicleTTL: time.Hour}
			old := start(t, stream.Config{Clock: func() time.Time {
				return time.Date(year, 1, 1, 0, 0, 0, 0,
					time.UTC)
			}})
			publish(t, old, "a", "")
			h := restoredHub(t, config, save(t, old), 1)
			time.Sleep(2 * time.Hour)
			require.Zero(t, h.Stats().Vehicles)
		})
	}
}

func FuzzLoad(f *testing.F) {
	h := stream.New(stream.Config{})
	publish(f, h, "a", `"topics":["x","y"],"altitude":3`)
	publish(f, h, "b", `"note":"<"`)
	h.Delete("b")
	f.Add(save(f, h))
	h.Close()
	f.Add(`{"format":"livemap-state","version":1,"saved":"2026-11-23T00:00:00Z"}` + "\n" + `{"vehicles":0}`)
	f.Fuzz(func(t *testing.T, state string) {
		h := stream.New(stream.Config{MaxVehicles: 3, VehicleTTL: time.Hour})
		defer h.Close()
		n, err := h.Load(strings.NewReader(state))
		if err != nil {
			require.Zero(t, h.Stats().Vehicles+h.Stats().Gone)
			return
		}
		require.LessOrEqual(t, n, 3)
		require.LessOrEqual(t, h.Stats().Vehicles+h.Stats().Gone, n)
		var first bytes.Buffer
		require.NoError(t, h.Snapshot([]string{stream.AllTopic}, nil).Write(func(p []byte) error {
			_, err := first.Write(p)
			return err
		}))
		items, err := geo.ParseDocument(first.Bytes(), true)
		require.NoError(t, err)
		require.Len(t, items, h.Stats().Vehicles)

		// The restored hub saves a state that can be loaded again and is the same.
		saved := save(t, h)
		again := stream.New(stream.Config{})
		defer again.Close()
		_, err = again.Load(strings.NewReader(saved))
		require.NoError(t, err, saved)
		require.Equal(t, h.Stats().Vehicles, again.Stats().Vehicles)
		require.Equal(t, h.Stats().Topics, again.Stats().Topics)
		for line := range strings.Lines(saved) {
			require.True(t, json.Valid([]byte(line)))
		}
	})
}
