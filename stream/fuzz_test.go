package stream_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tmaxmax/go-sse"

	"livemap/stream"
)

// idForm is the form of an event id. Its number must also fit into 64 bits.
var idForm = regexp.MustCompile(`^([^-]+)-(0|[1-9][0-9]*)$`)

// apartForm is the form of an id that also says how many loss-free events its reader had.
var apartForm = regexp.MustCompile(`^(.*)-[0-9]+$`)

// wireID is the form of an id that the hub repeats to its client.
var wireID = regexp.MustCompile(`\A[0-9a-z-]{1,40}\z`)

// FuzzResume resumes with any text as the id. An id of this log gets what came after it, any other
// text the whole state. Either way the reader holds the current state.
func FuzzResume(f *testing.F) {
	h := stream.New(stream.Config{})
	f.Cleanup(h.Close)
	for n, id := range []string{"a", "b", "a", "c", "b"} {
		publish(f, h, id, fmt.Sprintf(`"n":%d`, n))
	}
	for _, seed := range []string{
		"", "-", "x-1", "0", "5", "-5", "+5", "05", "5 ", "\x00",
		"18446744073709551615", "18446744073709551616", strings.Repeat("9", 60),
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, id string, ours bool) {
		head := h.Head()
		if ours {
			id = head.Epoch + "-" + id
		}
		plain := id
		if _, ok := stream.ParseID(id); !ok && stream.IsID(id) {
			plain = apartForm.FindStringSubmatch(id)[1] // there are no loss-free events
		}
		seq := checkID(t, plain)
		received := eventsFrom(t, h, id)
		greeting := sse.Event{Type: "ping", Data: received[0].Data}
		if wireID.MatchString(id) {
			greeting.LastEventID = id
		}
		require.Equal(t, greeting, received[0], "%q", id)
		received = received[1:]
		ids := []string{}
		for _, e := range received {
			ids = append(ids, e.Type+strings.TrimPrefix(e.LastEventID, head.Epoch))
		}
		want := []string{"reset", "-3", "-4", "-5", "live-5"}
		if seq >= 0 && seq <= 5 && strings.HasPrefix(plain, head.Epoch+"-") {
			want = append([]string{"-1", "-2", "-3", "-4", "-5"}[seq:], "live-5")
		}
		require.Equal(t, want, ids, id)
		reason := map[bool]string{true: "new", false: "epoch"}[id == ""]
		if want[0] == "reset" {
			require.JSONEq(t, `{"reason":"`+reason+`"}`, received[0].Data)
		}
	})
}

// checkID parses an id in another way and returns its number: -1 for no id, and at most a million.
func checkID(t *testing.T, text string) int {
	t.Helper()
	id, ok := stream.ParseID(text)
	parts := idForm.FindStringSubmatch(text)
	n := new(big.Int)
	if parts != nil {
		n.SetString(parts[2], 10)
	}
	require.Equal(t, parts != nil && n.BitLen() <= 64 && len(text) <= 64, ok, "%q", text)
	if !ok {
		return -1
	}
	require.Equal(t, text, id.String())
	return int(min(id.Number, 1_000_000))
}

// eventsFrom returns the events of a stream up to `live`.
func eventsFrom(t *testing.T, h *stream.Hub, lastEventID string) (events []sse.Event) {
	t.Helper()
	var out bytes.Buffer
	enough := errors.New("enough")
	s := h.Subscribe(stream.Query{Topics: []string{stream.AllTopic}, LastEventID: lastEventID})
	s.Serve(t.Context(), func(p []byte) error {
		out.Write(p)
		if bytes.Contains(out.Bytes(), []byte("\nevent: live\n")) {
			return enough
		}
		return nil
	})
	for event, err := range sse.Read(&out, nil) {
		require.NoError(t, err)
		if event.Type == "reset" {
			event.LastEventID = "" // the parser repeats the last id
		}
		events = append(events, event)
	}
	return events
}
