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

// idForm is what an event id looks like; its number must also fit in 64 bits.
var idForm = regexp.MustCompile(`^([^-]+)-(0|[1-9][0-9]*)$`)

// FuzzResume comes back with anything for an id: one of this log gets what came
// since, and any other the state anew. Either way the reader holds the truth.
func FuzzResume(f *testing.F) {
	h := stream.New(stream.Config{})
	f.Cleanup(h.Close)
	for n, id := range []string{"a", "b", "a", "c", "b"} {
		publish(f, h, id, fmt.Sprintf(`"n":%d`, n))
	}
	for _, seed := range []string{"", "-", "x-1", "0", "5", "-5", "+5", "05", "18446744073709551615", "18446744073709551616", "5 ", "\x00", strings.Repeat("9", 60)} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, id string, ours bool) {
		head := h.Head()
		if ours {
			id = head.Epoch + "-" + id
		}
		seq := checkID(t, id)
		told := eventsFrom(t, h, id)
		ids := []string{}
		for _, e := range told {
			ids = append(ids, e.Type+strings.TrimPrefix(e.LastEventID, head.Epoch))
		}
		want := []string{"reset", "-3", "-4", "-5", "live-5"}
		if seq >= 0 && seq <= 5 && strings.HasPrefix(id, head.Epoch+"-") {
			want = append([]string{"-1", "-2", "-3", "-4", "-5"}[seq:], "live-5")
		}
		require.Equal(t, want, ids, id)
		reason := map[bool]string{true: "new", false: "epoch"}[id == ""]
		if want[0] == "reset" {
			require.JSONEq(t, `{"reason":"`+reason+`"}`, told[0].Data)
		}
	})
}

// checkID reads an id once more, in another way, and gives its number: -1 of what
// is none, and nothing above a million.
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
	return int(min(id.Seq, 1_000_000))
}

// eventsFrom gives the events of a stream up to `live`.
func eventsFrom(t *testing.T, h *stream.Hub, lastEventID string) (events []sse.Event) {
	t.Helper()
	var out bytes.Buffer
	enough := errors.New("enough")
	h.Subscribe(stream.Query{Topics: []string{stream.AllTopic}, LastEventID: lastEventID}).Serve(t.Context(), func(p []byte) error {
		out.Write(p)
		if bytes.Contains(out.Bytes(), []byte("\nevent: live\n")) {
			return enough
		}
		return nil
	})
	for event, err := range sse.Read(&out, nil) {
		require.NoError(t, err)
		if event.Type != "" && event.Type != "live" {
			event.LastEventID = "" // it is that of the event before
		}
		if event.Data != "" {
			events = append(events, event)
		}
	}
	return events
}
