package stream_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
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
	regexpSum   = regexp.MustCompile(`,"crc32c":"[0-9a-f]{8}"`)
)

// unsummed returns a state as version 1 had it, without checksums.
func unsummed(state string) string {
	return strings.Replace(regexpSum.ReplaceAllString(state, ""), `"version":2`, `"version":1`, 1)
}

// summed returns a state of version 2 with checksums that are right, whatever its lines say.
func summed(state string) string {
	var out strings.Builder
	for line := range strings.Lines(regexpSum.ReplaceAllString(state, "")) {
		body := strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "}")
		sum := crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli))
		fmt.Fprintf(&out, "%s,\"crc32c\":\"%08x\"}\n", body, sum)
	}
	return out.String()
}

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
	require.Equal(t, stream.Loaded{Vehicles: n}, loaded)
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
		require.EqualValues(t, 5, receipt.ID.Number, "after those of the two vehicles and the two late ones")
	})
}

// A vehicle was silent while the hub was down.
func TestStateSilenceCountsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := stream.Config{Settings: ttl(100 * time.Second)}
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
			publish(t, old, id, `"timestamp":900000100`)
			time.Sleep(time.Second)
		}
		publish(t, old, "a", `"timestamp":900000099`)
		h := restoredHub(t, stream.Config{Settings: stream.Settings{stream.MaxVehicles: 3}}, save(t, old), 3)
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
		h := restoredHub(t, stream.Config{Settings: stream.Settings{stream.MaxVehicles: 5}}, save(t, old), 5)
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
		id := func(seq uint64) string { return stream.ID{Epoch: h.Head().Epoch, Number: seq}.String() }
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

// threeVehicles returns a state of two present vehicles and a gone one.
func threeVehicles(t *testing.T) string {
	old := start(t, stream.Config{})
	publish(t, old, "a", `"topics":["x"]`)
	publish(t, old, "b", "")
	publish(t, old, "c", "")
	old.Delete("c")
	return save(t, old)
}

func TestDamagedStateIsRejected(t *testing.T) {
	state := threeVehicles(t)
	lines := strings.SplitAfter(state, "\n")
	for name, text := range map[string]string{
		"empty": "", "another format": `{"format":"x","version":1}` + "\n", "no JSON": "hello\n" + state,
		"future version": summed(strings.Replace(state, `"version":2`, `"version":3`, 1)),
		"version 0":      strings.Replace(unsummed(state), `"version":1`, `"version":0`, 1),
		"no version":     strings.Replace(unsummed(state), `"version":1,`, "", 1),
		"no time":        summed(regexpSaved.ReplaceAllString(state, "")),
		"another time":   strings.Replace(state, `"saved":"2`, `"saved":"1`, 1),
		"no footer":      strings.Join(lines[:4], ""),
		"bad footer":     strings.Join(append(lines[:4:4], strings.Replace(lines[4], "3", "2", 1)), ""),
		"low footer":     summed(strings.Join(append(lines[:4:4], `{"vehicles":2}`), "")),
		"all one line":   strings.ReplaceAll(state, "\n", " "),
		"endless":        lines[0] + strings.Repeat("x", 200_000),
	} {
		require.NotEqual(t, state, text, name)
		requireRejected(t, name, text)
	}
	for n := range len(state) - 1 {
		requireRejected(t, fmt.Sprint("torn at ", n), state[:n])
	}
}

// One bad vehicle is skipped, counted and reported. The others are restored.
func TestBadVehicleIsSkipped(t *testing.T) {
	state := threeVehicles(t)
	lines := strings.SplitAfter(state, "\n")
	for name, test := range map[string]struct{ text, reason string }{
		"bad Feature": {strings.Replace(state, `[2,1]`, `[2,91]`, 1), "line 2: lat is 91"},
		"no timestamp": {strings.Replace(state, lines[2], regexpStamp.ReplaceAllString(lines[2], ""), 1),
			"line 3: the Feature has no timestamp"},
		"bad reason": {strings.Replace(state, `"gone":"deleted"`, `"gone":"\n\ndata: x"`, 1),
			`line 4: gone is "\n\ndata: x"`},
		"nameless": {strings.Replace(state, `"vehicle_id":"c"`, `"vehicle_id":""`, 1),
			"line 4: a vehicle_id is"},
		"bad topic":   {strings.Replace(state, `"topics":["x"]`, `"topics":["x\n"]`, 1), "line 2: topic \"x\\n\""},
		"topic twice": {strings.Replace(state, `"topics":["x"]`, `"topics":["x","x"]`, 1), `line 2: topic "x"`},
		"negative":    {strings.Replace(state, `"silent":`, `"silent":-1`, 1), "line 2: silent is negative"},
		"too deep": {strings.Replace(state, `"properties":{`, `"properties":{"x":`+strings.Repeat("[", 63)+
			strings.Repeat("]", 63)+",", 1), "line 2: it is nested deeper than 64 levels"},
		"no JSON": {lines[0] + "hello}\n" + strings.Join(lines[2:], ""), "line 2: invalid character"},
		"long line": {lines[0] + `{"x":"` + strings.Repeat(" ", 2<<20) + "\"}\n" + strings.Join(lines[2:], ""),
			"line 2: it is longer than 1048576 bytes"},
		"empty":     {lines[0] + "\n" + strings.Join(lines[2:], ""), "line 2: "},
		"line less": {lines[0] + strings.Join(lines[2:], ""), "too few lines"},
	} {
		require.NotEqual(t, state, test.text, name)
		for _, text := range []string{unsummed(test.text), summed(test.text)} {
			h := start(t, stream.Config{})
			loaded, err := h.Load(strings.NewReader(text))
			require.NoError(t, err, name)
			require.ErrorContains(t, loaded.Reason, test.reason, name)
			require.Equal(t, []int{2, 1}, []int{loaded.Vehicles, loaded.Skipped}, name)
			require.Equal(t, 2, h.Stats().Vehicles+h.Stats().Gone, name)
		}
	}
}

// A changed byte costs the vehicle of its line and no other. One in the header or footer costs all, and
// so does one that joins the last line and the footer.
func TestChangedByteIsNoticed(t *testing.T) {
	state := threeVehicles(t)
	vehicles := strings.SplitAfter(state, "\n")[1:4]
	first, last := strings.Index(state, vehicles[0]), strings.Index(state, vehicles[2])+len(vehicles[2])
	for i := range len(state) - 1 {
		for _, other := range []byte{state[i] ^ 1, '\n'} {
			text := state[:i] + string(other) + state[i+1:]
			if text == state {
				continue
			}
			if i < first || i >= last-1 {
				requireRejected(t, text, text)
				continue
			}
			h := stream.New(stream.Config{})
			loaded, err := h.Load(strings.NewReader(text))
			restored := save(t, h)
			h.Close()
			require.NoError(t, err, text)
			require.Equal(t, 3, loaded.Vehicles+loaded.Skipped, text)
			lost := 1
			if state[i] == '\n' {
				lost = 2 // it was the end of a line
			}
			require.LessOrEqual(t, loaded.Skipped, lost, text)
			require.Error(t, loaded.Reason, text)
			for _, line := range strings.SplitAfter(restored, "\n")[1:] {
				_, what, _ := strings.Cut(line, ",") // behind silent
				what = regexpSum.ReplaceAllString(what, "")
				require.True(t, strings.Contains(line, `"vehicles"`) || strings.Contains(unsummed(state), what), text)
			}
		}
	}
}

// A state of version 1, which had no checksums, is restored.
func TestStateOfVersion1(t *testing.T) {
	const state = `{"format":"livemap-state","version":1,"saved":"2026-11-28T10:00:00.123456789Z"}
{"silent":5000000000,"topics":["depot:7","x"],"feature":` + `{"type":"Feature","id":"a",` +
		`"geometry":{"type":"Point","coordinates":[2,1]},"properties":{"vehicle_id":"a","timestamp":1795860000.5}}}
{"silent":6000000000,"gone":"deleted","vehicle_id":"b","time":1795860000500000000,"point":[2,1],"sum":` +
		`18446744073709551615}
{"vehicles":2}
`
	synctest.Test(t, func(t *testing.T) {
		h := restoredHub(t, stream.Config{}, state, 2)
		require.Equal(t, 1, h.Stats().Gone)
		require.Equal(t, "reset new | 1 a | 2 live snapshot 1 0", resume(t, h, topicQuery("depot:7"), ""))
		require.Contains(t, save(t, h), `"version":2`)
	})
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
	require.EqualValues(t, 1, publish(t, h, "a", "").ID.Number, name)
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
			config := stream.Config{Settings: ttl(time.Hour)}
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
	f.Add(unsummed(save(f, h)))
	h.Close()
	f.Add(`{"format":"livemap-state","version":1,"saved":"2026-11-23T00:00:00Z"}` + "\n" + `{"vehicles":0}`)
	f.Fuzz(func(t *testing.T, state string) {
		h := stream.New(stream.Config{Settings: settings(3, time.Hour)})
		defer h.Close()
		loaded, err := h.Load(strings.NewReader(state))
		if err != nil {
			require.Zero(t, h.Stats().Vehicles+h.Stats().Gone)
			return
		}
		require.LessOrEqual(t, loaded.Vehicles, 3)
		require.LessOrEqual(t, h.Stats().Vehicles+h.Stats().Gone, loaded.Vehicles)
		require.Equal(t, loaded.Skipped > 0, loaded.Reason != nil)
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
		loaded, err = again.Load(strings.NewReader(saved))
		require.NoError(t, err, saved)
		require.Zero(t, loaded.Skipped, saved)
		require.Equal(t, h.Stats().Vehicles, again.Stats().Vehicles)
		require.Equal(t, h.Stats().Topics, again.Stats().Topics)
		for line := range strings.Lines(saved) {
			require.True(t, json.Valid([]byte(line)))
		}
	})
}
