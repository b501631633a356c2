package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tmaxmax/go-sse"

	"livemap/stream"
)

// recorder records an answer and ignores deadlines.
type recorder struct{ *httptest.ResponseRecorder }

func (recorder) SetReadDeadline(time.Time) error { return nil }

// FuzzPublish publishes any body. The answer is a documented one, and a stream delivers each accepted
// position as exactly one event. Each vehicle survives a restart.
func FuzzPublish(f *testing.F) {
	for _, wrong := range wrongItems() {
		f.Add(uint8(0), []byte("["+at("a", 1, 2)+","+wrong.text+"]"))
		f.Add(uint8(1), []byte(wrong.text+"\n"+at("a", 1, 2)))
		f.Add(uint8(2), []byte(wrong.text))
	}
	f.Add(uint8(0), []byte(at("a\u2028\u2029", 1, 2, `"\r":"\r\n\n\u0000"`, `"timestamp":900000001.5`)))
	f.Add(uint8(1), []byte(at("a", 1, 2)+"\r\n"+at("a", 3, 4)))
	f.Add(uint8(2), []byte(`{"type":"FeatureCollection","features":[`+featureAt("[1,2]")+","+featureAt("[3,4]")+
		"]}"))
	f.Add(uint8(0), []byte(at("a", 1, 2, `"x":`+strings.Repeat("[", 63)+strings.Repeat("]", 63))))
	types := []string{"application/json", "application/x-ndjson", "application/geo+json"}
	statuses := map[int]bool{200: true, 400: true, 413: true, 422: true}
	f.Fuzz(func(t *testing.T, form uint8, body []byte) {
		h := assemble(t)
		media := types[int(form)%len(types)]
		w := publish(t, h, media, body)
		require.True(t, statuses[w.Code], "%d %s", w.Code, w.Body)
		require.True(t, json.Valid(w.Body.Bytes()))
		accepted := 0
		if w.Code == http.StatusOK {
			a := ackOf(t, w.Body.String())
			accepted = a.Accepted
			require.LessOrEqual(t, len(a.Errors), min(a.Rejected, 100))
		}
		require.Equal(t, uint64(accepted), h.Head().Number)
		events := eventsOf(t, h, accepted)
		require.Len(t, events, accepted)
		for i, event := range events {
			require.Equal(t, stream.ID{Epoch: h.Head().Epoch, Number: uint64(i + 1)}.String(), event.LastEventID)
			require.True(t, json.Valid([]byte(event.Data)), event.Data)
			require.NotContains(t, event.Data, "\n")
		}
		survives(t, h)
	})
}

// publish publishes a body without a server.
func publish(t *testing.T, h *hub, media string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/publish",
		bytes.NewReader(body))
	r.Header.Set("Content-Type", media)
	return serve(h.api.Internal(), r)
}

// eventsOf resumes from the beginning of the log and returns positions and late ones up to `live`, as an
// independent parser reads them.
func eventsOf(t *testing.T, h *hub, accepted int) (events []sse.Event) {
	if accepted == 0 {
		return nil
	}
	var out strings.Builder
	stop := errorText("live")
	h.Subscribe(stream.Query{
		Topics: []string{stream.AllTopic}, LastEventID: stream.ID{Epoch: h.Head().Epoch}.String(),
	}).Serve(t.Context(), func(p []byte) error {
		out.Write(p)
		if bytes.Contains(p, []byte("\nevent: live\n")) {
			return stop
		}
		return nil
	})
	for event, err := range sse.Read(strings.NewReader(out.String()), &sse.ReadConfig{MaxEventSize: 1 << 20}) {
		require.NoError(t, err)
		if event.Type == "live" {
			break
		}
		if event.Type == "ping" {
			continue // the greeting
		}
		require.Contains(t, []string{"", "late"}, event.Type)
		events = append(events, event)
	}
	return events
}

type errorText string

func (e errorText) Error() string { return string(e) }
