package stream

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
)

// Replica applies the messages of a journal without being one of its hubs: it posts nothing, and has no
// streams. It is for reading a journal while no hub runs.
type Replica struct{ hub *Hub }

// NewReplica returns the state before the first message, or the one that [Hub.Save] wrote.
func NewReplica(epoch string, state io.Reader) (*Replica, error) {
	h := newHub(Config{History: 1 << 20})
	h.epoch = epoch
	h.following = &following{proposer: &proposer{}, moved: make(chan struct{}), comparison: newComparison()}
	h.journaled.sessions, h.settings = map[uint64]session{}, newSettings()
	h.nextNumber = func(newest number) number { return max(newest+1, h.applier.first) }
	if state != nil {
		loaded, err := h.Load(state)
		if err == nil && loaded.Skipped > 0 {
			err = loaded.Reason
		}
		if err != nil {
			return nil, err
		}
	}
	return &Replica{h}, nil
}

// Applied returns the newest message that was applied.
func (r *Replica) Applied() uint64 { return r.hub.Applied() }

// Apply applies the next message.
func (r *Replica) Apply(at Place, message []byte) error { return r.hub.applyMessage(at, message) }

// Read checks that a message could be applied, without doing it.
func (r *Replica) Read(message []byte) error {
	var memory []byte
	_, sources, count, entries, err := readMessage(message, &memory)
	if err != nil {
		return err
	}
	return cutEntries(entries, sources, r.hub.following.entries[:count])
}

// Stats returns the figures of the state.
func (r *Replica) Stats() Stats { return r.hub.Stats() }

// Settings returns the settings of the journal as of the newest message that was applied.
func (r *Replica) Settings() Settings { return r.hub.Settings() }

// Digest returns a text that is the same for equal states, and for no others.
func (r *Replica) Digest() (string, error) {
	sum := sha256.New()
	header, err := json.Marshal(r.hub.stateOfJournal())
	if err != nil {
		return "", err
	}
	sum.Write(header)
	err = r.hub.Save(&afterLine{to: sum})
	return hex.EncodeToString(sum.Sum(nil)[:8]), err
}

// afterLine passes on what follows the first line, which has the time of the save.
type afterLine struct {
	to   io.Writer
	past bool
}

func (w *afterLine) Write(p []byte) (int, error) {
	rest := p
	if !w.past {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			return len(p), nil
		}
		rest, w.past = p[i+1:], true
	}
	_, err := w.to.Write(rest)
	return len(p), err
}

// MoveState copies what [Hub.Save] wrote to a journal with the same messages and another epoch.
func MoveState(to io.Writer, state io.Reader, epoch string) error {
	in := bufio.NewReaderSize(state, stateBuffer)
	header, err := readHeader(in)
	if err != nil {
		return err
	}
	if header.Journal == nil {
		return errors.New("stream: the saved state is of no journal")
	}
	header.Journal.Epoch = epoch
	line, err := json.Marshal(header)
	if err != nil {
		return err
	}
	if _, err := to.Write(sumLine(line, 0)); err != nil {
		return err
	}
	_, err = io.Copy(to, in)
	return err
}

// StateOf returns the journal's epoch and the message after which a state was saved, from its first line.
func StateOf(state io.Reader) (epoch string, seq uint64, err error) {
	header, err := readHeader(bufio.NewReaderSize(state, stateBuffer))
	if err == nil && header.Journal == nil {
		err = errors.New("stream: the saved state is of no journal")
	}
	if err != nil {
		return "", 0, err
	}
	return header.Journal.Epoch, header.Journal.Seq, nil
}
