package client

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"livemap/cmd/livemap/bench/workload"
)

// maxEvent bounds an event, in bytes: more without an end is no event stream.
const maxEvent = 1 << 20

// receiver reads one stream, and checks and times its events.
type receiver struct {
	meter *Meter
	shard *delays
	check Check

	chunked  bool         // by HTTP/1.1
	received atomic.Int64 // events
	text     atomic.Int64 // bytes
	newest   atomic.Int64 // event; -1 is none
	live     chan struct{}
	complete chan struct{}
	ended    chan struct{}

	// The goroutine that reads owns these until ended is closed.
	faults  Faults
	carry   []byte // of the event that is not complete
	where   int    // offset of the last event's number in its line
	isLive  bool
	isDone  bool
	lastID  []byte
	closing atomic.Bool // that it ends is no fault
	err     error
}

// newReceiver makes the receiver of stream i, whose events it holds against c.
func (m *Meter) newReceiver(i int, c Check) *receiver {
	r := &receiver{
		meter: m, shard: &m.shards[i%len(m.shards)], check: c,
		live: make(chan struct{}), complete: make(chan struct{}), ended: make(chan struct{}),
	}
	r.newest.Store(-1)
	return r
}

// read reads a stream until it ends, and notes its end.
func (r *receiver) read(body io.Reader, size int) {
	defer close(r.ended)
	buf := make([]byte, size)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			r.feed(buf[:n], time.Now())
		}
		if err != nil {
			r.end(err)
			return
		}
	}
}

func (r *receiver) end(err error) {
	r.err = err
	if !r.closing.Load() {
		r.faults.note(&r.faults.Ended, 1, "a stream ended: %v", err)
	}
	r.check.finish(&r.faults)
}

// becameLive notes that what is published from now on must arrive.
func (r *receiver) becameLive() {
	if !r.isLive {
		r.isLive = true
		close(r.live)
	}
}

// feed processes the next bytes of the stream.
func (r *receiver) feed(p []byte, now time.Time) {
	taken := len(p)
	if len(r.carry) > 0 {
		r.carry = append(r.carry, p...)
		p = r.carry
	}
	b := r.shard.batch(r.meter.plan.Load(), now)
	rest := r.blocks(p, &b)
	if b.events > 0 {
		r.received.Add(int64(b.events))
		r.newest.Store(int64(b.last))
	}
	r.text.Add(int64(taken))
	b.end()
	r.carry = append(r.carry[:0], rest...)
	if len(r.carry) > maxEvent {
		r.faults.note(&r.faults.Other, 1, "an event of more than %d bytes", maxEvent)
		r.carry = r.carry[:0]
	}
	if !r.isDone && r.check.complete() {
		r.isDone = true
		close(r.complete)
	}
}

// blocks processes the events that are complete, and returns the rest (WHATWG HTML,
// section 9.2.6).
func (r *receiver) blocks(p []byte, b *batch) (rest []byte) {
	var data, name, id []byte
	rest = p
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			return rest
		}
		line := p[:end]
		p = p[end+1:]
		if end > 0 && line[end-1] == '\r' {
			line = line[:end-1]
		}
		if len(line) == 0 {
			r.event(name, data, b)
			if id != nil {
				r.lastID = append(r.lastID[:0], id...)
			}
			data, name, id = nil, nil, nil
			rest = p
			continue
		}
		switch line[0] {
		case 'd':
			data = value(line, "data:", data)
		case 'e':
			name = value(line, "event:", name)
		case 'i':
			id = value(line, "id:", id)
		}
	}
}

// value returns the value of a line of the field, or was for another field.
func value(line []byte, field string, was []byte) []byte {
	if len(line) < len(field) || string(line[:len(field)]) != field {
		return was
	}
	line = line[len(field):]
	if len(line) > 0 && line[0] == ' ' {
		line = line[1:]
	}
	return line
}

// event processes one event. Comments have no data, and neither have the heartbeats of some other hubs.
func (r *receiver) event(name, data []byte, b *batch) {
	switch {
	case string(name) == "live":
		r.becameLive()
	case string(name) == "ping" || data == nil:
	case name != nil && string(name) != "message":
		r.meter.named(r, string(name), data)
	default:
		n, ok := r.number(data)
		if !ok {
			r.meter.unnumbered(r, data)
			return
		}
		r.check.take(n, &r.faults)
		b.took(n)
	}
}

// number finds an event's number. Events look alike, so it is mostly where the last
// one's was.
func (r *receiver) number(data []byte) (int, bool) {
	const key = `"n":`
	at := r.where
	if at+len(key) > len(data) || string(data[at:at+len(key)]) != key {
		if at = bytes.Index(data, []byte(key)); at < 0 {
			return 0, false
		}
		r.where = at
	}
	n, digits := 0, 0
	for _, c := range data[at+len(key):] {
		if c < '0' || c > '9' {
			break
		}
		n, digits = n*10+int(c-'0'), digits+1
	}
	return n - workload.FirstNumber, 0 < digits && digits < 19
}

// shown is data as an error may quote it.
func shown(data []byte) string { return strconv.Quote(string(data[:min(len(data), 120)])) }

// successor makes the receiver of a stream that goes on where this one ended.
func (r *receiver) successor(m *Meter, i int) *receiver {
	again := m.newReceiver(i, r.check)
	again.faults, again.lastID = r.faults, slices.Clone(r.lastID)
	again.newest.Store(r.newest.Load())
	return again
}
