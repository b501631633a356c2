package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/measure"
	"livemap/cmd/livemap/bench/report"
	"livemap/cmd/livemap/bench/target"
	"livemap/cmd/livemap/bench/workload"
)

// liar is an event server that does to each stream what a test wants.
type liar struct {
	*httptest.Server
	mu       sync.Mutex
	streams  []chan string
	log      []string // of what the first stream was told
	everyone bool     // is lied to, not only the first stream
	refusals int      // so many of those who come back with an id are turned away
	// tell gives what a stream gets instead of an event; "" is nothing.
	tell func(n int, event string) string
}

func newLiar(t *testing.T, tell func(n int, event string) string) *liar {
	l := &liar{tell: tell}
	l.Server = httptest.NewServer(http.HandlerFunc(l.stream))
	t.Cleanup(l.Close)
	return l
}

func (l *liar) stream(w http.ResponseWriter, r *http.Request) {
	mine := make(chan string, 1000)
	w.Header().Set("Content-Type", "text/event-stream")
	l.mu.Lock()
	l.streams = append(l.streams, mine)
	missed := l.log[l.after(r.Header.Get("Last-Event-ID")):]
	refused := l.refusals > 0 && r.Header.Get("Last-Event-ID") != ""
	if refused {
		l.refusals--
	}
	l.mu.Unlock()
	if refused {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	io.WriteString(w, strings.Join(missed, "")+"id: bench--1\nevent: live\ndata: {}\n\n")
	http.NewResponseController(w).Flush()
	for {
		select {
		case text, open := <-mine:
			if !open {
				return
			}
			io.WriteString(w, text)
			http.NewResponseController(w).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// after gives where in the log one goes on who had an event.
func (l *liar) after(id string) int {
	number, had := strings.CutPrefix(id, "bench-")
	n, err := strconv.Atoi(number)
	if !had || err != nil {
		return 0
	}
	return n + 1
}

func (l *liar) publish(n int, event string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := l.tell(n, event)
	l.log = append(l.log, told)
	for i, stream := range l.streams {
		if i > 0 && !l.everyone {
			told = event
		}
		select {
		case stream <- told:
		default: // nobody reads it any more
		}
	}
}

// target has the load's events lied about on the first stream.
func (l *liar) target() *target.Target {
	return &target.Target{
		Name: "liar",
		URL:  func(_ client.Protocol, path string) string { return l.URL + path },
		Publish: func(ctx context.Context, s workload.Schedule, e workload.Events) error {
			return s.Pace(ctx, 0, func(n, _ int) error {
				l.publish(n, string(e.AppendSSE(nil, n, s.Due(n), 0)))
				return nil
			})
		},
	}
}

// littleLoad has 47 events on 3 streams.
var littleLoad = measure.Load{
	Protocol: client.H1, Streams: 3, Rate: 200, Events: workload.Events{Vehicles: 4},
	WarmUp: 50 * time.Millisecond, Window: 90 * time.Millisecond, Drain: time.Second,
}

// A scenario must not pass while anything is missing, comes twice or out of order.
func TestFaultsAreFound(t *testing.T) {
	last := littleLoad.Plan().Events - 1
	held := ""
	for _, test := range []struct {
		name string
		tell func(n int, event string) string
		want client.Faults
	}{
		{"nothing", func(_ int, event string) string { return event }, client.Faults{}},
		{"one missing", except(12, ""), client.Faults{Missing: 1}},
		{"the first missing", except(0, ""), client.Faults{Missing: 1}},
		{"the last missing", except(last, ""), client.Faults{Missing: 1}},
		{"all missing", func(int, string) string { return "" }, client.Faults{Missing: int64(last + 1)}},
		{"one twice", func(n int, event string) string { return event + onlyAt(n, 12, event) }, client.Faults{Repeated: 1}},
		{"the last twice", func(n int, event string) string { return event + onlyAt(n, last, event) }, client.Faults{Repeated: 1}},
		{"two swapped", func(n int, event string) string {
			if n == 12 {
				held = event
				return ""
			}
			return event + onlyAt(n, 13, held)
		}, client.Faults{Missing: 1, Repeated: 1}},
		{"one of nobody's", func(n int, event string) string {
			return event + onlyAt(n, 12, "data: {\"n\":100000999}\n\n")
		}, client.Faults{Foreign: 1}},
		{"one without a number", except(12, "data: {}\n\n"), client.Faults{Missing: 1, Other: 1}},
		{"a number that is none", except(12, "data: {\"n\":x}\n\n"), client.Faults{Missing: 1, Other: 1}},
		{"a reset", func(n int, event string) string { return event + onlyAt(n, 12, "event: reset\ndata: {}\n\n") }, client.Faults{Other: 1}},
		{"a late one", func(n int, event string) string { return onlyAt(n, 12, "event: late\n") + event }, client.Faults{Missing: 1, Other: 1}},
		{"an event that is not closed", func(n int, event string) string {
			if n == last {
				return event[:len(event)-1]
			}
			return event
		}, client.Faults{Missing: 1}},
		{"comments and pings", func(n int, event string) string { return ": x\n\nevent: ping\ndata: {}\n\nid: 7\n\n" + event }, client.Faults{}},
		{"other line ends", func(n int, event string) string {
			return "data:{\"n\":" + fmt.Sprint(workload.FirstNumber+n) + "}\r\n\r\n"
		}, client.Faults{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			result, err := littleLoad.Measure(t.Context(), newLiar(t, test.tell).target())
			require.NoError(t, err)
			if !test.want.Any() {
				require.Nil(t, result.Faults)
				require.Positive(t, result.Deliveries)
				require.NotNil(t, result.Delay)
				return
			}
			require.NotNil(t, result.Faults)
			assert.NotEmpty(t, result.Faults.Example)
			result.Faults.Example = ""
			assert.Equal(t, test.want, *result.Faults)
		})
	}
}

func except(at int, instead string) func(int, string) string {
	return func(n int, event string) string {
		if n == at {
			return instead
		}
		return event
	}
}

func onlyAt(n, at int, text string) string {
	if n == at {
		return text
	}
	return ""
}

// A stream that ends is a fault, though it had got everything so far.
func TestEndIsFound(t *testing.T) {
	var l *liar
	l = newLiar(t, func(n int, event string) string {
		if n == 20 {
			l.CloseClientConnections()
		}
		return event
	})
	result, err := littleLoad.Measure(t.Context(), l.target())
	require.NoError(t, err)
	require.NotNil(t, result.Faults)
	assert.EqualValues(t, 3, result.Faults.Ended)
	assert.Positive(t, result.Faults.Missing)
}

// Who comes back must miss nothing and get nothing twice.
func TestFaultsOfReturning(t *testing.T) {
	for _, test := range []struct {
		name string
		tell func(n int, event string) string
		says string
	}{
		{"nothing", func(_ int, event string) string { return event }, ""},
		{"one missing before", except(5, ""), "3 missing"},
		{"one missing after", except(35, ""), "3 missing"},
		{"one twice", func(n int, event string) string { return event + onlyAt(n, 35, event) }, "3 repeated"},
		{"a reset", func(n int, event string) string { return event + onlyAt(n, 35, "event: reset\ndata: {}\n\n") }, "3 other"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newLiar(t, test.tell)
			l.everyone, l.refusals = true, 2
			o := &report.Outcome{}
			r := reconnection{target: l.target(), wave: littleLoad, before: 200 * time.Millisecond, after: 500 * time.Millisecond}
			err := r.run(t.Context(), o, 1)
			require.Contains(t, o.Notes, "2 attempts to come back failed and were made again")
			if test.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.says)
		})
	}
}
