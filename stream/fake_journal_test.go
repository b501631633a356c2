package stream_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"livemap/stream"
)

// fakeJournal is a journal in memory that loses, delays, doubles and swaps messages, tells wrong
// outcomes, and breaks off, each at random while faults is above 0.
type fakeJournal struct {
	epoch string

	mu       sync.Mutex
	random   *rand.Rand
	faults   float64 // chance of each fault
	messages []fakeMessage
	local    bool          // see stream.Life
	clock    time.Duration // how far the journal's clock is ahead
	came     chan struct{} // closed when there is another message
	held     bool          // nobody gets a message
}

type fakeMessage struct {
	at   time.Time
	data []byte
}

var errFake = errors.New("fake fault")

func newFakeJournal(random *rand.Rand, faults float64) *fakeJournal {
	return &fakeJournal{epoch: stream.NewEpoch(), random: random, faults: faults, came: make(chan struct{})}
}

func (j *fakeJournal) Life(context.Context) (stream.Life, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return stream.Life{Epoch: j.epoch, First: 1, Last: uint64(len(j.messages)), Local: j.local}, nil
}

// fault reports whether something goes wrong now. j.mu is held.
func (j *fakeJournal) fault() bool { return j.random.Float64() < j.faults }

func (j *fakeJournal) Post(message []byte, posted func(seq uint64, err error)) {
	j.mu.Lock()
	lost, doubled, late, told := j.fault(), j.fault(), j.fault(), !j.fault()
	delay := time.Duration(j.random.IntN(400)) * time.Millisecond
	j.mu.Unlock()
	message = slices.Clone(message)
	if posted == nil {
		posted = func(uint64, error) {}
	}
	answer := func() {
		switch {
		case lost:
			posted(0, errFake)
		case told:
			posted(j.store(message), nil)
		default:
			j.store(message)
			posted(0, errFake)
		}
		if doubled {
			j.store(message)
		}
	}
	if late { // and so behind what is posted meanwhile
		time.AfterFunc(delay, answer)
		return
	}
	answer()
}

func (j *fakeJournal) store(message []byte) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := time.Now().Add(j.clock)
	if j.fault() { // a clock that is set
		at = at.Add(time.Duration(j.random.IntN(20)-10) * time.Second)
	}
	j.messages = append(j.messages, fakeMessage{at, message})
	close(j.came)
	j.came = make(chan struct{})
	return uint64(len(j.messages))
}

func (j *fakeJournal) Follow(
	ctx context.Context, after stream.Place, apply func(at stream.Place, message []byte) error,
) error {
	for seq := after.Seq; ; {
		j.mu.Lock()
		came, broken := j.came, j.fault()
		var message *fakeMessage
		if seq < uint64(len(j.messages)) && !j.held {
			message = &j.messages[seq]
		}
		if seq > 0 && seq == after.Seq && !j.messages[seq-1].at.Equal(after.At) {
			j.mu.Unlock()
			return stream.ErrOtherJournal
		}
		j.mu.Unlock()
		if broken {
			return errFake
		}
		if message == nil {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-came:
			}
			continue
		}
		seq++
		if err := apply(stream.Place{Seq: seq, At: message.at}, message.data); err != nil {
			return fmt.Errorf("message %d: %w", seq, err)
		}
	}
}

// ahead sets the journal's clock.
func (j *fakeJournal) ahead(by time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.clock = by
}

// hold keeps messages back until they are let go.
func (j *fakeJournal) hold(held bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.held = held
	close(j.came)
	j.came = make(chan struct{})
}

func (j *fakeJournal) setFaults(chance float64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.faults = chance
}
