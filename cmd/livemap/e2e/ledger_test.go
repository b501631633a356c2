package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ledger numbers the positions of each vehicle, so that readers detect missed ones, and whether
// they hold the correct state in the end.
type ledger struct {
	vehicles int
	prefix   string // of their ids
	more     string // members of every position, as JSON, each followed by a comma

	mu    sync.Mutex // guards what follows, and is held while something is published
	taken []int      // number of each vehicle's newest position
}

// publish publishes a position of each vehicle, and requires that the hub accepts all. It returns
// their number, the same for all while none was rejected.
func (l *ledger) publish(t testing.TB, hub *runningHub) (number int) {
	t.Helper()
	require.NoError(t, l.try(hub))
	return l.newest()
}

// newest returns the number of the first vehicle's newest position.
func (l *ledger) newest() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken[0]
}

// try publishes a position of each vehicle. A position that the hub did not acknowledge is
// published again the next time, and is a duplicate if the hub had accepted it.
func (l *ledger) try(hub *runningHub) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken == nil {
		l.taken = make([]int, l.vehicles)
	}
	accepted, err := l.send(hub)
	for i := range accepted {
		l.taken[i]++
	}
	if err == nil && accepted < l.vehicles {
		return fmt.Errorf("%d of %d were taken", accepted, l.vehicles)
	}
	return err
}

// send publishes, and returns how many the hub has accepted from the first on, now or before.
func (l *ledger) send(hub *runningHub) (accepted int, err error) {
	var lines strings.Builder
	for i, number := range l.taken {
		fmt.Fprintf(&lines, "{\"vehicle_id\":\"%s%d\",\"lat\":%v,\"lon\":%v,\"timestamp\":%d,%s\"n\":%d}\n",
			l.prefix, i, 10+float64(i%50)/10, float64(number%1000)/10, 1_700_000_000+number, l.more, number+1)
	}
	resp, err := hub.operator.Post(hub.publish+"/publish", "application/x-ndjson",
		strings.NewReader(lines.String()))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var answer struct{ Accepted, Duplicate int }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, err
	}
	return answer.Accepted + answer.Duplicate, nil
}

// publishEvery publishes until it is stopped, whether the hub runs or not.
func (l *ledger) publishEvery(t testing.TB, hub func() *runningHub, every time.Duration) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for ticks := time.NewTicker(every); ; {
			select {
			case <-quit:
				ticks.Stop()
				return
			case <-ticks.C:
				l.try(hub())
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		close(quit)
		<-done
	})
	t.Cleanup(stop)
	return stop
}

// settle publishes once more, waits until every reader's map is the publisher's
// truth, and requires that none of them missed anything that was not announced.
func (l *ledger) settle(t testing.TB, hub *runningHub, readers ...*ledgerReader) {
	t.Helper()
	l.publish(t, hub)
	l.check(t, readers...)
}

// check is settle without publishing.
func (l *ledger) check(t testing.TB, readers ...*ledgerReader) {
	t.Helper()
	truth := map[string]int{}
	for i, number := range l.taken {
		truth[l.prefix+strconv.Itoa(i)] = number
	}
	for i, r := range readers {
		for wait := time.After(e2eLimit); ; {
			held, grown, err := r.state()
			require.NoError(t, err, "reader %d, %s over %s", i, r.url, r.client.protocol)
			if maps.Equal(held, truth) {
				break
			}
			select {
			case <-grown:
				continue
			case <-wait:
			}
			require.Equal(t, truth, held, "reader %d, %s over %s, after %+v", i, r.url, r.client.protocol, r.counts())
		}
	}
}

// ledgerReader keeps a map of a stream, over as many connections as it takes, and checks the stream
// against the ledger. No number is missing unless a `live` announces it, none comes twice, and none
// comes after a higher one.
type ledgerReader struct {
	client   *wireClient
	url      string
	holes    bool                             // numbers may be missing: the hub may be killed while it answers
	conflate bool                             // the reader may be brought to date with newest positions
	pause    func()                           // called before each event is read; nil: none
	took     func(vehicle string, number int) // called for each position; nil: none
	obedient bool                             // it comes back when the hub has said, as browsers do
	leave    func()                           // ends it, before the test is over

	mu    sync.Mutex
	id    string
	held  map[string]int
	told  map[string]int // since a reset; nil: it is over
	gaps  []string       // that nothing has announced yet
	err   error
	retry time.Duration // as the hub has said
	grown chan struct{} // closed when something was taken
	ledgerCounts
}

type ledgerCounts struct {
	events, opened, refused, byes int
	// of those refused, answers that an EventSource does not come back from
	noStreams     int
	resets, lives map[string]int // by reason, by mode
	outages       []outage
}

// outage is the time between the end of a stream that was live and the next `live`.
type outage struct{ ended, back time.Time }

// follow starts a reader of everything, which reads until the test is over, and
// waits until it holds the state.
func (l *ledger) follow(t testing.TB, client *wireClient, url string,
	options ...func(*ledgerReader)) *ledgerReader {
	t.Helper()
	r := l.begin(t, client, url, options...)
	r.await(t, "live", func(c ledgerCounts) bool { return len(c.lives) > 0 })
	return r
}

// begin is follow without waiting.
func (l *ledger) begin(t testing.TB, client *wireClient, url string,
	options ...func(*ledgerReader)) *ledgerReader {
	r := newLedgerReader(client, url)
	for _, option := range options {
		option(r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() { r.run(ctx) })
	r.leave = func() {
		cancel()
		reading.Wait()
		r.client.disconnect()
	}
	t.Cleanup(func() {
		r.leave()
		_, _, err := r.state()
		assert.NoError(t, err)
	})
	return r
}

func newLedgerReader(client *wireClient, url string) *ledgerReader {
	return &ledgerReader{client: client, url: url, held: map[string]int{}, grown: make(chan struct{}),
		ledgerCounts: ledgerCounts{resets: map[string]int{}, lives: map[string]int{}}}
}

// run reads until ctx is done or the stream breaks the rules.
func (r *ledgerReader) run(ctx context.Context) {
	for {
		err := r.connect(ctx)
		if broken, _ := errors.AsType[*ledgerError](err); broken != nil {
			r.note(func() { r.err = err })
			return
		}
		back := 20 * time.Millisecond
		if r.obedient {
			back = max(back, r.retry)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(back):
		}
	}
}

// connect reads over one connection, until it ends.
func (r *ledgerReader) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	s, err := r.client.openUntil(ctx, cancel, r.url, r.id)
	if err != nil {
		r.note(func() {
			r.refused++
			if errors.Is(err, errNoStream) {
				r.noStreams++
			}
		})
		return err
	}
	defer s.close()
	r.note(func() { r.opened++ })
	for {
		if r.pause != nil {
			r.pause()
		}
		e, err := s.next()
		if err != nil {
			r.note(func() { r.ended(ctx, s) })
			return err
		}
		r.note(func() { err, r.id = r.take(e), s.lastID })
		if err != nil {
			return err
		}
	}
}

// ended notes the end of a stream, which is an outage unless the reader went.
func (r *ledgerReader) ended(ctx context.Context, s *wireStream) {
	r.id, r.retry = s.lastID, time.Duration(s.retry)*time.Millisecond
	if ctx.Err() == nil && len(r.lives) > 0 && !r.isOut() {
		r.outages = append(r.outages, outage{ended: time.Now()})
	}
}

// isOut reports whether a stream ended and there was no `live` since.
func (r *ledgerReader) isOut() bool {
	last := len(r.outages) - 1
	return last >= 0 && r.outages[last].back.IsZero()
}

func (r *ledgerReader) note(what func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	what()
	close(r.grown)
	r.grown = make(chan struct{})
}

// ledgerError is a stream that breaks the rules.
type ledgerError struct{ text string }

func (e *ledgerError) Error() string { return e.text }

func breaks(format string, args ...any) error { return &ledgerError{fmt.Sprintf(format, args...)} }

func (r *ledgerReader) take(e wireEvent) error {
	r.events++
	switch e.name {
	case "":
		return r.position(e)
	case "reset":
		reason := member(e.data, `"reason":"`)
		r.resets[reason]++
		r.told, r.gaps = map[string]int{}, nil
	case "live":
		return r.live(member(e.data, `"mode":"`))
	case "gone":
		delete(r.held, member(e.data, `"vehicle_id":"`))
	case "bye":
		r.byes++
	case "late":
		return breaks("a late position, of %s", e.data)
	}
	return nil
}

// live reports whether the reader holds the truth, and how it came to it.
func (r *ledgerReader) live(mode string) error {
	if r.isOut() {
		r.outages[len(r.outages)-1].back = time.Now()
	}
	if r.lives[mode]++; mode == "conflated" && !r.conflate {
		return breaks("brought to date with newest positions at %s", r.id)
	}
	if len(r.gaps) > 0 && mode == "replay" {
		return breaks("in a replay up to %s: %v", r.id, r.gaps)
	}
	if r.told != nil {
		r.held = r.told
	}
	r.told, r.gaps = nil, nil
	return nil
}

func (r *ledgerReader) position(e wireEvent) error {
	vehicle := member(e.data, `"vehicle_id":"`)
	number, err := strconv.Atoi(member(e.data, `"n":`))
	if err != nil {
		return breaks("no number in %s", e.data)
	}
	held := r.held
	if r.told != nil {
		held = r.told
	}
	before, known := held[vehicle]
	switch {
	case known && number <= before:
		return breaks("%s: %d after %d, at %s", vehicle, number, before, e.id)
	case number > before+1 && r.told == nil && !r.holes:
		r.gaps = append(r.gaps, fmt.Sprintf("%s: %d after %d, at %s", vehicle, number, before, e.id))
	}
	held[vehicle] = number
	if r.took != nil {
		r.took(vehicle, number)
	}
	return nil
}

// member returns what follows name in a text of JSON, up to where a string or a
// number of the ledger ends.
func member(data, name string) string {
	_, rest, _ := strings.Cut(data, name)
	if end := strings.IndexAny(rest, `",}`); end >= 0 {
		return rest[:end]
	}
	return rest
}

// state returns the reader's current state, and an error if something is missing unannounced. The
// channel is closed when the state has changed.
func (r *ledgerReader) state() (held map[string]int, grown <-chan struct{}, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil && len(r.gaps) > 0 && !r.conflate {
		return nil, r.grown, breaks("missing, without a word: %v", r.gaps)
	}
	return maps.Clone(r.held), r.grown, r.err
}

// holds reports whether the reader holds that position of a vehicle, or a newer one.
func (r *ledgerReader) holds(vehicle string, number int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held[vehicle] >= number
}

func (r *ledgerReader) counts() ledgerCounts {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.ledgerCounts
	c.resets, c.lives = maps.Clone(c.resets), maps.Clone(c.lives)
	c.outages = slices.Clone(c.outages)
	return c
}

// await waits until the reader's state satisfies a condition.
func (r *ledgerReader) await(t testing.TB, what string, holds func(ledgerCounts) bool) {
	t.Helper()
	for limit := time.After(e2eLimit); ; {
		_, grown, err := r.state()
		require.NoError(t, err)
		if holds(r.counts()) {
			return
		}
		select {
		case <-grown:
		case <-limit:
			require.FailNow(t, "a reader waited in vain", "%s: %s over %s, %+v", what, r.url, r.client.protocol,
				r.counts())
		}
	}
}
