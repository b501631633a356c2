package jetstream

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// answerWait is how long a post waits for its answer.
const answerWait = 5 * time.Second

// slowAnswer is how long an answer may take before the server is asked what is wrong.
const slowAnswer = time.Second

// pending is a post without an answer.
type pending struct {
	posted func(seq uint64, err error)
	begun  time.Time
}

// Post implements [stream.Journal]. It calls posted on another goroutine, within some seconds, and must not
// be made to wait there: the answers come one after the other.
//
// It does not use the library's PublishAsync. That has a timer for each message, calls back with a lock held,
// and says nothing about the messages that are under way when the connection is closed.
func (j *Journal) Post(message []byte, posted func(seq uint64, err error)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.post(message, posted); err != nil && posted != nil {
		go posted(0, err)
	}
}

// post sends a message, and keeps posted for its answer unless it returns an error.
func (j *Journal) post(message []byte, posted func(seq uint64, err error)) error {
	switch {
	case j.refused != nil:
		return j.refused
	case len(message) > MaxMessage:
		return ErrTooLarge
	}
	if posted == nil {
		return j.engine.conn.Publish(subject, message)
	}
	j.posts++
	number := j.posts
	j.pending[number] = pending{posted, time.Now()}
	err := j.engine.conn.PublishRequest(subject, j.engine.inbox+strconv.FormatUint(number, 10), message)
	if err != nil {
		delete(j.pending, number)
	}
	return err
}

// answered takes an answer to a post.
func (j *Journal) answered(m *nats.Msg) {
	number, err := strconv.ParseUint(m.Subject[lastDot(m.Subject)+1:], 10, 64)
	if err != nil {
		return
	}
	j.mu.Lock()
	p, found := j.pending[number]
	delete(j.pending, number)
	j.mu.Unlock()
	if !found { // it came too late
		return
	}
	seq, err := readAnswer(m)
	if err == nil {
		j.noteStored(seq)
	}
	p.posted(seq, err)
}

// noteStored notes that a message is stored.
func (j *Journal) noteStored(seq uint64) {
	for was := j.stored.Load(); was < seq && !j.stored.CompareAndSwap(was, seq); was = j.stored.Load() {
	}
}

// readAnswer returns what JetStream says about a message.
func readAnswer(m *nats.Msg) (seq uint64, err error) {
	if len(m.Data) == 0 {
		return 0, jetstream.ErrNoStreamResponse
	}
	var answer struct {
		Seq   uint64              `json:"seq"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return 0, fmt.Errorf("%w: %w", jetstream.ErrInvalidJSAck, err)
	}
	switch {
	case answer.Error != nil:
		return 0, answer.Error
	case answer.Seq == 0:
		return 0, jetstream.ErrInvalidJSAck
	}
	return answer.Seq, nil
}

// failLate fails the posts that have waited too long.
func (j *Journal) failLate(now time.Time) {
	var late []pending
	j.mu.Lock()
	for number, p := range j.pending {
		if now.Sub(p.begun) > answerWait {
			late = append(late, p)
			delete(j.pending, number)
		}
	}
	j.mu.Unlock()
	for _, p := range late {
		go p.posted(0, ErrNoAnswer)
	}
}

// isLate reports whether a post waits for its answer for long.
func (j *Journal) isLate() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, p := range j.pending {
		if time.Since(p.begun) > slowAnswer {
			return true
		}
	}
	return false
}

// failPending fails all posts without an answer.
func (j *Journal) failPending(err error) {
	j.mu.Lock()
	all := j.pending
	j.pending = map[uint64]pending{}
	j.mu.Unlock()
	for _, p := range all {
		go p.posted(0, err)
	}
}

func lastDot(text string) int {
	i := len(text) - 1
	for i >= 0 && text[i] != '.' {
		i--
	}
	return i
}
