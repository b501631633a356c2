package recording

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// Playlist is the records of several files in the order of their timestamps. A
// record without one keeps its place behind the record before it.
//
// A Playlist must be used by one goroutine at a time.
type Playlist struct {
	sources []*source
	total   int
}

// Total returns how many records there are, and 0 where that is not known beforehand:
// standard input or a pipe is among the files.
func (p *Playlist) Total() int { return p.total }

// source is one file of a playlist.
type source struct {
	next  func() (Record, error)
	close func()
	head  *Record // the record that is next; nil before it was read
	ended bool
}

// Open opens the files of these names; "-" is stdin. It looks through all files before it
// returns, so that a file that is no recording is found before the first record is used. Of a
// file in time order one record at a time is kept in memory; one that is not is
// sorted in memory. Standard input and pipes can be read but once: their records come
// in the order in which they are written, and while they are written.
//
// An error says which file is missing, named twice, a folder or no recording.
func Open(names []string, stdin io.Reader) (*Playlist, error) {
	p := &Playlist{}
	streamed := false
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("%s: named twice", name)
		}
		once, err := readOnce(name)
		if err != nil {
			return nil, err
		}
		if once {
			streamed = true
			p.sources = append(p.sources, streamSource(name, stdin))
			continue
		}
		s, n, err := surveyedSource(name)
		if err != nil {
			return nil, err
		}
		p.sources = append(p.sources, s)
		p.total += n
	}
	if streamed {
		p.total = 0
	}
	return p, nil
}

// readOnce reports whether name can be read only once.
func readOnce(name string) (bool, error) {
	if name == standardInput {
		return true, nil
	}
	file, err := os.Stat(name)
	if err != nil {
		return false, err
	}
	if file.IsDir() {
		return false, fmt.Errorf("%s: is a folder; name the files in it", name)
	}
	return !file.Mode().IsRegular(), nil
}

// streamSource opens its file when the first record is asked for: that may take
// until somebody writes into the pipe.
func streamSource(name string, stdin io.Reader) *source {
	var r *recordFile
	next := func() (Record, error) {
		if r == nil {
			opened, err := openFile(name, stdin)
			if err != nil {
				return Record{}, err
			}
			r = opened
		}
		return r.next()
	}
	return &source{next: next, close: func() {
		if r != nil {
			r.Close()
		}
	}}
}

// surveyedSource reads the file once to count its records and to see whether
// they are in order.
func surveyedSource(name string) (*source, int, error) {
	n, ordered := 0, true
	var last Record
	err := eachRecord(name, func(rec Record) {
		ordered = ordered && !rec.At.Before(last.At)
		last = rec
		n++
	})
	if err != nil || ordered {
		return streamSource(name, nil), n, err
	}
	records := make([]Record, 0, n)
	err = eachRecord(name, func(rec Record) { records = append(records, rec) })
	slices.SortStableFunc(records, func(a, b Record) int { return a.At.Compare(b.At) })
	return sliceSource(records), len(records), err
}

func eachRecord(name string, do func(Record)) error {
	r, err := openFile(name, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		rec, err := r.next()
		if err != nil { // next tells other errors as a record
			return nil
		}
		do(rec)
	}
}

func sliceSource(records []Record) *source {
	next := func() (Record, error) {
		if len(records) == 0 {
			return Record{}, io.EOF
		}
		first := records[0]
		records = records[1:]
		return first, nil
	}
	return &source{next: next, close: func() {}}
}

// Next returns the oldest record that has not been returned yet, of equally old
// ones that of the file named first. It returns [io.EOF] after the last, and another error
// where standard input or a pipe turns out to be no recording. It waits where a pipe is empty.
func (p *Playlist) Next() (Record, error) {
	var oldest *source
	for _, s := range p.sources {
		if err := s.fill(); err != nil {
			return Record{}, err
		}
		if !s.ended && (oldest == nil || s.head.At.Before(oldest.head.At)) {
			oldest = s
		}
	}
	if oldest == nil {
		return Record{}, io.EOF
	}
	rec := *oldest.head
	oldest.head = nil
	return rec, nil
}

// fill reads the head, if it is not there.
func (s *source) fill() error {
	if s.head != nil || s.ended {
		return nil
	}
	rec, err := s.next()
	switch {
	case errors.Is(err, io.EOF):
		s.ended = true
		s.close()
		return nil
	case err != nil:
		return err
	}
	s.head = &rec
	return nil
}

// Close closes the files that have not been read to their ends.
func (p *Playlist) Close() {
	for _, s := range p.sources {
		s.close()
	}
}
