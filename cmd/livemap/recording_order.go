package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// playlist is the records of several files in the order of their timestamps. A
// record without one keeps its place behind the record before it.
type playlist struct {
	sources []*source
	total   int // how many records there are; 0 where that is not known beforehand
}

// source is one file of a playlist.
type source struct {
	next  func() (record, error)
	close func()
	head  *record // the record that is next; nil before it was read
	ended bool
}

// openPlaylist looks through all files before the first position is published,
// so that a file that is no recording stops the replay before it has begun. Of a
// file in time order one record at a time is kept in memory; one that is not is
// sorted in memory. Standard input and pipes can be read but once: they are
// taken in the order in which they come, and while they come.
func openPlaylist(names []string, stdin io.Reader) (*playlist, error) {
	p := &playlist{}
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
	var r *recording
	next := func() (record, error) {
		if r == nil {
			opened, err := openRecording(name, stdin)
			if err != nil {
				return record{}, err
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
	var last record
	err := eachRecord(name, func(rec record) {
		ordered = ordered && !rec.at.Before(last.at)
		last = rec
		n++
	})
	if err != nil || ordered {
		return streamSource(name, nil), n, err
	}
	records := make([]record, 0, n)
	err = eachRecord(name, func(rec record) { records = append(records, rec) })
	slices.SortStableFunc(records, func(a, b record) int { return a.at.Compare(b.at) })
	return sliceSource(records), len(records), err
}

func eachRecord(name string, do func(record)) error {
	r, err := openRecording(name, nil)
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

func sliceSource(records []record) *source {
	next := func() (record, error) {
		if len(records) == 0 {
			return record{}, io.EOF
		}
		first := records[0]
		records = records[1:]
		return first, nil
	}
	return &source{next: next, close: func() {}}
}

// next returns the oldest record that has not been returned yet, of equally old
// ones that of the file named first; io.EOF after the last.
func (p *playlist) next() (record, error) {
	var oldest *source
	for _, s := range p.sources {
		if err := s.fill(); err != nil {
			return record{}, err
		}
		if !s.ended && (oldest == nil || s.head.at.Before(oldest.head.at)) {
			oldest = s
		}
	}
	if oldest == nil {
		return record{}, io.EOF
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
func (p *playlist) Close() {
	for _, s := range p.sources {
		s.close()
	}
}
