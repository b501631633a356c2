package stream_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
)

// startOn starts a hub on a journal, from a state or none.
func startOn(t testing.TB, config stream.Config, j stream.Journal, state []byte) *stream.Hub {
	t.Helper()
	var h *stream.Hub
	var err error
	if state == nil {
		h, _, err = stream.NewWithJournal(context.Background(), config, j, nil)
	} else {
		h, _, err = stream.NewWithJournal(context.Background(), config, j, bytes.NewReader(state))
	}
	require.NoError(t, err)
	return h
}

func quietJournal() *fakeJournal { return newFakeJournal(rand.New(rand.NewPCG(1, 1)), 0) }

// A reader resumes at a hub that was started anew, from the whole journal or from a state, as if nothing
// had been.
func TestResumeAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := quietJournal()
		h := startOn(t, stream.Config{}, j, nil)
		publish(t, h, "a", "")
		held := publish(t, h, "b", "").ID.String()
		var early, late bytes.Buffer
		require.NoError(t, h.Save(&early))
		publish(t, h, "a", `"n":2`)
		require.NoError(t, h.Save(&late))
		h.Close()
		for name, c := range map[string]struct {
			state []byte
			mode  string
		}{
			"journal alone": {nil, "replay"}, "earlier state": {early.Bytes(), "replay"},
			"later state": {late.Bytes(), "conflated"},
		} {
			h := startOn(t, stream.Config{}, j, c.state)
			reader := listen(t, h, stream.Query{Topics: fleetQuery.Topics, LastEventID: held})
			time.Sleep(time.Second)
			text := reader.takeText()
			assert.NotContains(t, text, "event: reset", name)
			assert.Equal(t, 1, strings.Count(text, `"n":2`), "%s: %s", name, text)
			assert.Contains(t, text, `"mode":"`+c.mode+`"`, name)
			h.Drain(context.Background(), 0)
			h.Close()
		}
	})
}

// A vehicle that was silent goes at each hub, with the same event, and not if it was heard of since.
func TestExpiryWithJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := quietJournal()
		config := stream.Config{Settings: ttl(time.Minute)}
		a, b := startOn(t, config, j, nil), startOn(t, config, j, nil)
		defer a.Close()
		defer b.Close()
		publish(t, a, "silent", "")
		for range 3 {
			publish(t, b, "moving", "")
			time.Sleep(30 * time.Second)
		}
		synctest.Wait()
		for _, h := range []*stream.Hub{a, b} {
			assert.Equal(t, 1, h.Stats().Vehicles)
			gone := 0
			for _, event := range h.Log() {
				if strings.Contains(event, `"reason":"expired"`) {
					assert.Contains(t, event, "silent")
					gone++
				}
			}
			assert.Equal(t, 1, gone, "both proposed it")
		}
		assert.Equal(t, a.Dump(), b.Dump())
		var state bytes.Buffer
		require.NoError(t, a.Save(&state))
		c := startOn(t, config, j, state.Bytes())
		defer c.Close()
		synctest.Wait()
		assert.Equal(t, strings.Split(a.Dump(), "\n")[3:], strings.Split(c.Dump(), "\n")[3:], "with its reason")
	})
}

// A proposal to expire a vehicle that was heard of since does nothing.
func TestExpiryComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startOn(t, stream.Config{}, quietJournal(), nil)
		defer h.Close()
		publish(t, h, "a", "")
		heard := h.Heard("a")
		publish(t, h, "a", `"n":2`)
		require.NoError(t, h.ProposeExpiry("a", heard))
		assert.Equal(t, 1, h.Stats().Vehicles)
		require.NoError(t, h.ProposeExpiry("a", h.Heard("a")))
		assert.Zero(t, h.Stats().Vehicles)
	})
}

// A wrong clock does not expire the fleet: the journal's time moves five seconds per message.
func TestJournalTimeMovesSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := quietJournal()
		h := startOn(t, stream.Config{Settings: ttl(time.Minute)}, j, nil)
		defer h.Close()
		publish(t, h, "a", "")
		j.ahead(time.Hour)
		publish(t, h, "b", "")
		j.ahead(0)
		time.Sleep(30 * time.Second)
		assert.Equal(t, 2, h.Stats().Vehicles)
	})
}

// While the journal does not answer, a publish waits and is then in doubt; the hub is frozen.
func TestJournalIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := quietJournal()
		h := startOn(t, stream.Config{PublishWait: 10 * time.Second}, j, nil)
		defer h.Close()
		_, frozen := h.Frozen()
		assert.False(t, frozen)
		early := listen(t, h, fleetQuery)
		time.Sleep(time.Second)
		early.takeText()
		j.setFaults(1)
		began := time.Now()
		_, err := h.Publish(position(t, "a", ""))
		assert.ErrorIs(t, err, stream.ErrUnavailable)
		assert.Equal(t, 10*time.Second, time.Since(began))
		since, frozen := h.Frozen()
		assert.True(t, frozen)
		assert.WithinDuration(t, began, since, 2*time.Second)
		var snapshot bytes.Buffer
		require.NoError(t, h.Snapshot(fleetQuery.Topics, nil).Write(func(p []byte) error {
			snapshot.Write(p)
			return nil
		}))
		assert.Equal(t, `{"type":"FeatureCollection","features":[],"frozen":true}`+"\n",
			snapshot.String())
		late := listen(t, h, fleetQuery)
		time.Sleep(time.Second)
		for _, reader := range []*client{early, late} {
			text := reader.takeText()
			assert.Equal(t, 1, strings.Count(text, "event: frozen\ndata: {\"since\":"), text)
			assert.NotContains(t, text, "event: live")
		}
		j.setFaults(0)
		time.Sleep(5 * time.Second)
		text := early.takeText()
		assert.Contains(t, text, `data: {"mode":"resumed","events":0,"skipped":0,`)
		assert.Equal(t, 1, strings.Count(text, "event: live"), text)
		text = late.takeText()
		assert.Contains(t, text, `data: {"mode":"snapshot",`)
		assert.Equal(t, 1, strings.Count(text, "event: live"), text)
		h.Drain(context.Background(), 0)
		_, frozen = h.Frozen()
		assert.False(t, frozen)
		assert.Equal(t, 1, h.Stats().Vehicles, "it was published all the same, once")
	})
}

// An outcome that comes when nobody waits for it any more goes to nobody else.
func TestOutcomeComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := quietJournal()
		h := startOn(t, stream.Config{PublishWait: time.Second}, j, nil)
		defer h.Close()
		j.setFaults(1)
		_, err := h.Publish(position(t, "late", ""))
		require.ErrorIs(t, err, stream.ErrUnavailable)
		j.setFaults(0)
		for n := range 20 {
			receipt := publish(t, h, fmt.Sprint("v", n), "")
			assert.True(t, receipt.New)
			assert.Contains(t, h.Log()[receipt.ID.Number], fmt.Sprintf(`"vehicle_id":"v%d"`, n))
		}
		assert.Equal(t, 21, h.Stats().Vehicles)
	})
}

// TestMessageBytes holds format 1: a journal may be older than the program that reads it.
func TestMessageBytes(t *testing.T) {
	p := position(t, "A", `"lat":0,"lon":0,"timestamp":1700000000`)
	source := stream.Source{Publisher: "subject P", Name: "gps", Seq: 12}
	got := hex.EncodeToString(stream.MessageOf(7, 8, 9, 10, source, p, "B"))
	feature := `{"type":"Feature","id":"A","geometry":{"type":"Point","coordinates":[0,0]},` +
		`"properties":{"vehicle_id":"A","timestamp":`
	const head = "01ac020000" // source, item, values
	body := hex.EncodeToString(p.AppendWire(nil))
	size := 5 + len(body)/2
	want := "01" + "00" + "0700000000000000" + "0800000000000000" + "0900000000000000" + "0a00000000000000" +
		"01" + "09" + hex.EncodeToString([]byte("subject P")) + "03" + "677073" + "0c00000000000000" + "04" +
		"01" + fmt.Sprintf("%02x%02x", size&0x7f|0x80, size>>7) + head + body +
		"02" + "01" + "42" +
		"03" + "09" + "0b00000000000000" + "42" +
		"05" + "11" + "01" + "0700000000000000" + "0900000000000000"
	assert.Equal(t, want, got)
	assert.Contains(t, body, hex.EncodeToString([]byte(feature)))
	for n := range len(want) / 2 {
		bytes, _ := hex.DecodeString(want[:2*n])
		assert.Error(t, stream.CheckMessage(bytes), "%d bytes", n)
	}
	other, _ := hex.DecodeString(strings.Replace(want, head, "02ac020000", 1))
	assert.Error(t, stream.CheckMessage(other), "of a source that is not there")
	whole, _ := hex.DecodeString(want)
	require.NoError(t, stream.CheckMessage(whole))
	arrived := position(t, "A", `"timestamp":1700000000,"time_basis":"arrival","expect_within_s":10`)
	withValues := hex.EncodeToString(stream.MessageOf(7, 8, 9, 10, source, arrived, "B"))
	assert.Contains(t, withValues, "01ac02"+"2800"+"904e"+hex.EncodeToString(arrived.AppendWire(nil)))
	readable, _ := hex.DecodeString(withValues)
	require.NoError(t, stream.CheckMessage(readable))
	later, _ := hex.DecodeString(strings.Replace(withValues, "01ac02"+"2800", "01ac02"+"2802", 1))
	assert.Error(t, stream.CheckMessage(later), "a value that a later format may have")
	whole[0] = 2
	assert.ErrorContains(t, stream.CheckMessage(whole), "has format 2, and this hub knows format 1")
	assert.ErrorIs(t, stream.CheckMessage(whole), stream.ErrNewer)
}

// TestKeyBytes holds the entry of a key.
func TestKeyBytes(t *testing.T) {
	key := stream.Key{ID: [16]byte{1, 15: 2}, Body: [16]byte{3, 15: 4}}
	part := partOf(300, true, untimed(t, "A"))
	got := stream.KeyMessage(stream.Source{Publisher: "P"}, key, part)
	_, entries, _ := bytes.Cut(got, []byte("\x01\x01P\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	want := "02" + "06" + "2d" + "01" + "ac02" + "01" + "01" + "01" + strings.Repeat("00", 14) + "02" +
		"03" + strings.Repeat("00", 14) + "04" + hex.EncodeToString([]byte("note 300")) + "01"
	assert.Equal(t, want, hex.EncodeToString(entries[:len(want)/2]))
	require.NoError(t, stream.CheckMessage(got))
	at := bytes.Index(got, []byte("\x06\x2d\x01"))
	for offset, wrong := range map[int]byte{2: 0, 5: 2, 6: 2} { // another source, no boolean, too few positions
		damaged := bytes.Clone(got)
		damaged[at+offset] = wrong
		assert.Error(t, stream.CheckMessage(damaged), "byte %d", offset)
	}
}

// TestFenceEntryBytes holds the entries of fences, likewise.
func TestFenceEntryBytes(t *testing.T) {
	f := parseFence(t, "f", circle, `"radius_m":5`)
	maker := stream.Maker{Name: "ab", Reads: []string{"c*", "d"}, Limited: true}
	got := stream.FenceBodies(f, maker, stream.IfVersion(300))
	assert.Equal(t, "01"+"03"+"ac02"+"026162"+"01"+"02"+"02632a"+"0164"+"0166"+"00"+
		hex.EncodeToString(f.Feature),
		hex.EncodeToString(got[0]))
	assert.Equal(t, "02"+"03"+"ac02"+"00"+"00"+"00"+"0166", hex.EncodeToString(got[1]))
	assert.Equal(t, "01"+"ac02"+"0b00000000000000"+"0166"+"56", hex.EncodeToString(got[2]))
	assert.Equal(t, [3]error{}, stream.CheckFenceBodies(got))
	for i, whole := range []int{len(got[0]), len(got[1]), len(got[2]) - 1} {
		for n := range whole {
			cut := got
			cut[i] = cut[i][:n]
			assert.Error(t, stream.CheckFenceBodies(cut)[i], "%d bytes", n)
		}
	}
}

// TestUnknownEntry checks that a hub does not pass over what a newer one wrote.
func TestUnknownEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := quietJournal()
		h := startOn(t, stream.Config{}, j, nil)
		defer h.Close()
		applied := h.Applied()
		j.Post(stream.UnknownMessage(), func(uint64, error) {})
		time.Sleep(10 * time.Second)
		assert.ErrorContains(t, h.JournalError(), "a newer hub wrote it; upgrade this one")
		assert.Equal(t, applied, h.Applied())
		_, frozen := h.Frozen()
		assert.True(t, frozen)
	})
}

func FuzzMessage(f *testing.F) {
	f.Add(stream.KeyMessage(stream.Source{Publisher: "P"}, stream.Key{},
		stream.RequestPart{Positions: []geo.Position{*position(f, "A", "")}, Items: []int{0}}))
	f.Add(stream.MessageOf(1, 2, 3, 4, stream.Source{Publisher: "P"}, position(f, "A", ""), "B"))
	f.Fuzz(func(_ *testing.T, message []byte) { stream.CheckMessage(message) })
}

// TestLateOutcomeIsNobodyElses gives up on a publish, publishes more, and then lets the journal go on: what
// was given up is published as it was asked, and the others get the outcomes of their own.
func TestLateOutcomeIsNobodyElses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := quietJournal()
		h := startOn(t, stream.Config{PublishWait: time.Second}, j, nil)
		defer h.Close()
		verdictsOf(t, h, stream.Source{}, "begin")
		j.hold(true)
		h.PublishAll(untimed(t, "given", "up"), func(_ int, _ stream.Receipt, err error) {
			require.ErrorIs(t, err, stream.ErrUnavailable)
		})
		answered := make(chan []stream.Receipt)
		for caller := range 3 {
			go func() {
				var receipts []stream.Receipt
				h.PublishAll(untimed(t, fmt.Sprint("caller ", caller)), func(_ int, receipt stream.Receipt, err error) {
					require.NoError(t, err)
					receipts = append(receipts, receipt)
				})
				answered <- receipts
			}()
		}
		synctest.Wait()
		j.hold(false)
		ids := map[uint64]bool{}
		for range 3 {
			receipts := <-answered
			require.Len(t, receipts, 1)
			require.Equal(t, stream.Accepted, receipts[0].Verdict)
			require.Contains(t, h.Log()[receipts[0].ID.Number], "caller ")
			ids[receipts[0].ID.Number] = true
		}
		require.Len(t, ids, 3)
		for _, vehicle := range []string{"given", "up"} {
			_, _, known := h.Vehicle(vehicle)
			require.True(t, known, vehicle)
		}
	})
}
