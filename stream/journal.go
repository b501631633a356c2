package stream

import (
	"context"
	"errors"
	"time"
)

// Journal is one order of messages that is kept on disk, for one hub or for several. A hub posts what it was
// asked, and does what comes back. All hubs of a journal do the same in the same order, and so come to
// the same state.
//
// All its methods may be called from several goroutines.
type Journal interface {
	// Life describes the journal as it is now.
	Life(ctx context.Context) (Life, error)
	// Post hands a message to the journal, which keeps no reference to it. Messages that are posted one
	// after the other are stored in this order, unless one is lost. Unless posted is nil, Post then calls it
	// once, also on another goroutine: with the place of the message, or with the reason why it may not be
	// stored. An answer costs the journal up to a third of what a small message costs.
	Post(message []byte, posted func(seq uint64, err error))
	// Follow calls apply for each message after a place, in their order and without a hole, and as they
	// come. It returns when ctx ends, with an error of apply, or when it must be called anew: the caller
	// then waits a moment. The message is valid until apply returns. [ErrOtherJournal] says that the
	// place is not one of this journal, and that calling it anew does not help.
	Follow(ctx context.Context, after Place, apply func(at Place, message []byte) error) error
}

// Life is what tells one journal from another, and how much it holds.
type Life struct {
	Epoch       string // of the ids of its events, as [NewEpoch] makes one
	First, Last uint64 // seqs of its oldest and newest message; Last is First - 1 when it holds none
	Base        uint64 // seq of the message before the first of this epoch
	Local       bool   // this process keeps it: what is posted is rarely lost

	Oldest time.Time // when the message First was stored; zero: unknown
	Bytes  uint64    // that it takes on its disk; 0: unknown
	Free   uint64    // bytes that its disk has left for it; 0: unknown
}

// Place names a message of a journal. The zero Place is before the first.
type Place struct {
	Seq uint64
	At  time.Time // when the journal stored it, by the journal's clock
}

// ErrOtherJournal is the error of [Journal.Follow] when the journal does not lead on from a place: it was
// deleted, restored or cut off at the front since.
var ErrOtherJournal = errors.New("stream: the journal does not lead on from what this hub knows")

// ErrForked is the error of a hub whose journal lost its end and was written on: numbers stand for other
// events than readers may know. The journal needs another epoch.
var ErrForked = errors.New("stream: the journal lost its end and was written on")

// ErrNewer is the error of a hub whose journal has what it does not know. It never passes over that.
var ErrNewer = errors.New("a newer hub wrote it; upgrade this one")

// ErrNoRoom is the error of a change for which the journal has no room on its disk. The change does not
// happen.
var ErrNoRoom = errors.New("the journal's disk is nearly full; nothing is published until there is room")
