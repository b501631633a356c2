package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestKilledHubLosesNothing kills a hub while publishers are at it, several times. What was acknowledged is
// there after each start, and a reader that comes back resumes: it gets every position once.
func TestKilledHubLosesNothing(t *testing.T) {
	t.Parallel()
	args := []string{"--listen", "off", "--proxy-listen", "off", "--state-dir", t.TempDir()}
	hub := startHub(t, args...)
	first := publishOne(t, hub, "first")
	sent, acked := 0, map[string]string{} // label by id
	for range 3 {
		var publishers sync.WaitGroup
		var mu sync.Mutex
		killed := make(chan struct{})
		for range 4 {
			publishers.Go(func() {
				for {
					mu.Lock()
					sent++
					label := fmt.Sprintf("label-%d.", sent)
					mu.Unlock()
					id, err := tryPublish(hub, label)
					if err != nil {
						return // the hub was killed
					}
					mu.Lock()
					acked[id] = label
					if len(acked)%100 == 0 {
						select {
						case killed <- struct{}{}:
						default:
						}
					}
					mu.Unlock()
				}
			})
		}
		<-killed
		hub.kill()
		publishers.Wait()
		hub = startHub(t, args...)
	}
	last := publishOne(t, hub, "last")
	text := readUntil(t, hub, first, `"label":"last"`)
	assert.NotContains(t, text, "event: reset")
	assert.Contains(t, text, "id: "+last)
	for id, label := range acked {
		member := fmt.Sprintf(`"label":%q`, label)
		assert.Equal(t, 1, strings.Count(text, member), "%s was acknowledged as %s", label, id)
		assert.Equal(t, 1, strings.Count(text, "\nid: "+id+"\n"), id)
	}
}

// TestKilledHubRepeatsNothing kills a hub while publishers are at it whose positions have no timestamps. Each
// sends its request again, under its key, until it has an Ack: the log has every position once, and a further
// repeat gets the same Ack.
func TestKilledHubRepeatsNothing(t *testing.T) {
	t.Parallel()
	const publishers, requests, items = 4, 15, 300 // more than fit into one message of the journal
	args := []string{"--listen", "off", "--proxy-listen", "off", "--publish-listen", freePort(t), "--state-dir",
		t.TempDir()}
	hub := startHub(t, args...)
	first := publishOne(t, hub, "first")
	url, client := hub.publish, hub.operator
	bodyOf := func(publisher, request int) string {
		var all []string
		for i := range items {
			all = append(all, fmt.Sprintf(`{"vehicle_id":"V%d","lat":1,"lon":2,"label":"%d.%d.%d."}`, i%7, publisher,
				request, i))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	acked := make(chan string, publishers*requests)
	publish := func(publisher, request int) (ack string) {
		for ack == "" {
			key := fmt.Sprintf("%d.%d", publisher, request)
			ack = tryKeyed(t.Context(), client, url, key, bodyOf(publisher, request))
			require.NoError(t, t.Context().Err())
		}
		return ack
	}
	var all [publishers][requests]string
	var running sync.WaitGroup
	for publisher := range publishers {
		running.Go(func() {
			for request := range requests {
				all[publisher][request] = publish(publisher, request)
				acked <- ""
			}
		})
	}
	for range 3 {
		for range 8 {
			<-acked
		}
		hub.kill()
		hub = startHub(t, args...)
	}
	running.Wait()
	for publisher := range publishers {
		for request := range requests {
			assert.Contains(t, all[publisher][request], fmt.Sprintf(`"accepted":%d`, items))
			assert.Equal(t, all[publisher][request], publish(publisher, request))
		}
	}
	publishOne(t, hub, "last")
	text := readUntil(t, hub, first, `"label":"last"`)
	assert.NotContains(t, text, "event: reset")
	count := map[string]int{}
	for _, label := range regexp.MustCompile(`"label":"\d+\.\d+\.\d+\."`).FindAllString(text, -1) {
		count[label]++
		require.Equal(t, 1, count[label], label)
	}
	require.Len(t, count, publishers*requests*items)
}

// tryKeyed publishes under a key once, and returns the Ack, "" if there is none.
func tryKeyed(ctx context.Context, client *http.Client, url, key, body string) (ack string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/publish", strings.NewReader(body))
	if err != nil {
		return ""
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	response, err := client.Do(r)
	if err != nil {
		time.Sleep(10 * time.Millisecond) // the next hub needs the processor
		return ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return ""
	}
	return string(text)
}

// TestJournalMetrics holds the names: rules and dashboards have them.
func TestJournalMetrics(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--listen", "off", "--state-dir", t.TempDir())
	publishOne(t, hub, "a")
	for _, gauge := range []string{"applied", "stored", "first_seq", "fresh", "bytes", "seconds",
		"disk_free_bytes", "entries_per_message_count", "commit_seconds_count", "commit_seconds_sum"} {
		assert.Positive(t, hub.metric(t, "livemap_journal_"+gauge), gauge)
	}
	await(t, "nothing is behind", func() bool {
		return hub.metric(t, "livemap_journal_lag_seconds") == 0 &&
			hub.metric(t, "livemap_journal_inflight_messages") == 0
	})
	for _, counter := range []string{"resent", "ignored", "follow_restarts"} {
		assert.Zero(t, hub.metric(t, "livemap_journal_"+counter+"_total"), counter)
	}
	off := startHub(t, "--listen", "off", "--state-dir", t.TempDir(), "--journal", "off")
	response, err := off.operator.Get(off.publish + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "livemap_journal")
}

func publishOne(t *testing.T, hub *runningHub, label string) (id string) {
	t.Helper()
	id, err := tryPublish(hub, label)
	require.NoError(t, err)
	return id
}

// tryPublish publishes a position of a vehicle of its own, and returns its event id.
func tryPublish(hub *runningHub, label string) (id string, err error) {
	body := fmt.Sprintf(`{"vehicle_id":%q,"lon":1,"lat":2,"label":%[1]q}`, label)
	response, err := hub.operator.Post(hub.publish+"/publish", "application/json", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%d: %s %w", response.StatusCode, answer, err)
	}
	_, rest, _ := strings.Cut(string(answer), `"last_event_id":"`)
	id, _, _ = strings.Cut(rest, `"`)
	return id, nil
}

// readUntil reads the stream of all vehicles after an id until it has a text.
func readUntil(t *testing.T, hub *runningHub, id, text string) string {
	t.Helper()
	request, err := http.NewRequest("GET", hub.publish+"/topics/live_updates:all/stream", nil)
	require.NoError(t, err)
	request.Header.Set("Last-Event-ID", id)
	response, err := (&http.Client{Transport: hub.operator.Transport}).Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var read strings.Builder
	for buf := make([]byte, 64<<10); !strings.Contains(read.String(), text); {
		n, err := response.Body.Read(buf)
		read.Write(buf[:n])
		require.NoError(t, err)
	}
	return read.String()
}

// TestRestartKeepsTheEpoch checks what a reader gets after a hub ended in good order, with a journal and
// without.
func TestRestartKeepsTheEpoch(t *testing.T) {
	t.Parallel()
	for journal, reset := range map[string]bool{"embedded": false, "off": true} {
		t.Run(journal, func(t *testing.T) {
			t.Parallel()
			args := []string{
				"--listen", "off", "--proxy-listen", "off", "--state-dir", t.TempDir(), "--journal", journal,
			}
			hub := startHub(t, args...)
			held := publishOne(t, hub, "a")
			publishOne(t, hub, "b")
			hub.stop(t)
			hub = startHub(t, args...)
			text := readUntil(t, hub, held, "event: live")
			assert.Equal(t, reset, strings.Contains(text, "event: reset"), text)
			assert.Contains(t, text, `"label":"b"`)
		})
	}
}

// TestVehiclesComeIntoTheJournal starts a hub with a journal where one without ran.
func TestVehiclesComeIntoTheJournal(t *testing.T) {
	t.Parallel()
	args := []string{"--listen", "off", "--proxy-listen", "off", "--state-dir", t.TempDir()}
	hub := startHub(t, append(args, "--journal", "off")...)
	publishOne(t, hub, "a")
	hub.stop(t)
	for range 2 {
		hub = startHub(t, args...)
		text := readUntil(t, hub, "", "event: live")
		assert.Contains(t, text, `"label":"a"`)
		hub.stop(t)
	}
}

// TestJournalIsDeleted starts a hub whose journal was deleted while it was down: it has its vehicles, and
// readers are told that ids are others.
func TestJournalIsDeleted(t *testing.T) {
	t.Parallel()
	args := []string{"--listen", "off", "--proxy-listen", "off", "--state-dir", t.TempDir()}
	hub := startHub(t, args...)
	held := publishOne(t, hub, "a")
	hub.stop(t)
	require.NoError(t, os.RemoveAll(filepath.Join(hub.stateDir, "journal")))
	saved := filepath.Join(hub.stateDir, "journal-state.ndjson")
	require.NoError(t, os.Link(saved, filepath.Join(hub.stateDir, "journal-state.older.ndjson")))
	for range 2 {
		hub = startHub(t, args...)
		text := readUntil(t, hub, held, "event: live")
		assert.Contains(t, text, `event: reset
data: {"reason":"epoch"}`)
		assert.Contains(t, text, `"label":"a"`)
		hub.stop(t)
	}
	assert.Empty(t, hub.log.find("cannot start from a saved state"), "once is enough")
}
