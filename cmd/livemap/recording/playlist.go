package recording

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// Playlist is the records of several files, in the order of their timestamps. A record without
// a timestamp stays behind the record before it in its file.
//
// A Playlist must be used by one goroutine at a time.
type Playlist struct {
	sources []*source
	total   int
	empty   []error  // a nothingError for each file without a record
	leftOut []error  // for each file of which positions are left out
	others  []string // for each archive, what in it is no recording

	options Options
	start   time.Time // of the files without times: with the first of the others, else now
	untimed int       // files without times
}

// Options change what is played.
type Options struct {
	KeepOutliers bool           // play positions whose times are over a year from most of their file
	Every        time.Duration  // between two positions of a file without times; 0: see NeedTimes
	NeedTimes    bool           // refuse a file without times, unless Every is more than 0
	Zone         *time.Location // of times in CSV that have none; nil: they are refused
}

// Total returns how many records there are. It returns 0 if standard input or a pipe is among
// the files: their number is not known beforehand.
func (p *Playlist) Total() int { return p.total }

// Empty returns an error that names each file with nothing to play, and what is in it instead; nil
// without such a file. Standard input and pipes are known to be empty when Next has read them.
func (p *Playlist) Empty() error { return errors.Join(p.empty...) }

// NotRecordings returns a line for each archive that holds other files beside recordings. It names them.
func (p *Playlist) NotRecordings() []string { return p.others }

// LeftOut returns an error that names each file of which positions are left out, and their number; nil
// without such a file. A position without a timestamp is left out where other positions of its file have
// one: the hub would take it for the newest, and the others for late. So is a position whose time is over a
// year from those of most positions in its file, unless [Options] keep it. Of standard input and pipes
// nothing is left out.
func (p *Playlist) LeftOut() error { return errors.Join(p.leftOut...) }

// source is one file of a Playlist.
type source struct {
	next  func() (Record, error)
	close func()
	head  *Record // the next record; nil until it is read
	ended bool
}

// Open opens the files of these names; "-" stands for stdin, and a zip archive for the files in it.
// It reads every file once before it returns, so that a file that is no recording is found before the
// first record is used.
//
// A file in time order is then read record by record; another one is sorted in memory. Standard
// input and pipes can be read only once: their records come in the order in which they are
// written, while they are written.
//
// An error names each file that is missing, named twice, a folder, no recording, or refused by [Options].
func Open(names []string, stdin io.Reader) (*Playlist, error) { return Options{}.Open(names, stdin) }

// Open is the function [Open] with options.
func (o Options) Open(names []string, stdin io.Reader) (*Playlist, error) {
	p := &Playlist{options: o}
	streamed := false
	var mistakes []error // one bad file does not keep the others from being checked
	for i, name := range names {
		once, err := false, fmt.Errorf("%s: given twice", name)
		if !slices.Contains(names[:i], name) {
			once, err = p.add(name, stdin)
		}
		if err != nil {
			mistakes = append(mistakes, err)
		}
		streamed = streamed || once
	}
	if streamed {
		p.total = 0
	}
	if o.Every > 0 && !streamed && !p.start.IsZero() && p.untimed == 0 && len(mistakes) == 0 {
		mistakes = append(mistakes, errors.New("every position has a time, so --every has no meaning"))
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	if p.start.IsZero() {
		p.start = time.Now()
	}
	return p, nil
}

// add adds one file, and reports whether it can be read only once.
func (p *Playlist) add(name string, stdin io.Reader) (once bool, err error) {
	if once, err = readOnce(name); err != nil {
		return once, err
	}
	if once {
		in := namedInput(name, stdin)
		in.zone = p.options.Zone
		p.sources = append(p.sources, p.spaced(streamSource(in)))
		return true, nil
	}
	inputs, err := regularInputs(name)
	mistakes, others := []error{p.unlessEmpty(err)}, []error(nil)
	var names []string // of the others
	for _, in := range inputs {
		in.zone = p.options.Zone
		s, n, err := p.surveyedSource(in)
		switch {
		case errors.As(err, new(formatError)):
			others = append(others, err)
			names = append(names, strings.TrimPrefix(in.name, name+"/"))
		case err != nil:
			mistakes = append(mistakes, p.unlessEmpty(err))
		default:
			p.sources = append(p.sources, s)
			p.total += n
		}
	}
	switch {
	case len(others) == len(inputs): // nothing beside them
		mistakes = append(mistakes, others...)
	case len(others) > 0:
		p.others = append(p.others, name+": no recordings, left out: "+listed(names))
	}
	return false, errors.Join(mistakes...)
}

// listed returns names in a row, the first few of many.
func listed(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// unlessEmpty returns the error, unless it is a nothingError, which it notes.
func (p *Playlist) unlessEmpty(err error) error {
	if errors.As(err, new(nothingError)) {
		p.empty = append(p.empty, err)
		return nil
	}
	return err
}

// readOnce reports whether the file can be read only once.
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

// streamSource opens its file for the first record: to open a pipe may take until another
// program writes into it.
func streamSource(in input) *source {
	var r *recordFile
	next := func() (Record, error) {
		if r == nil {
			opened, err := openFile(in)
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

// surveyedSource reads the file once, counts its records and checks whether they are in time order. It leaves
// out the records without a time, if others have one, and outliers.
func (p *Playlist) surveyedSource(in input) (*source, int, error) {
	n, untimed, ordered := 0, 0, true
	var last Record
	var stamps []stampedLine
	err := eachRecord(in, func(rec Record) {
		ordered = ordered && !rec.At.Before(last.At)
		last = rec
		n++
		if rec.stamp != (span{}) {
			stamps = append(stamps, stampedLine{rec.At, rec.Line})
		}
		if rec.untimed {
			untimed++
		}
	})
	if err != nil {
		return nil, n, err
	}
	if len(stamps) == 0 {
		if untimed > 1 && p.options.NeedTimes && p.options.Every == 0 {
			return nil, n, fmt.Errorf("%s: its positions have no times; --every 1s plays one of them a second, "+
				"--speed 0 all at once", in.name)
		}
		p.untimed++
		return p.spaced(streamSource(in)), n, nil
	}
	first, newest := mainGroup(stamps)
	if p.start.IsZero() || first.Before(p.start) {
		p.start = first
	}
	outside := func(at time.Time) bool { return at.Before(first) || at.After(newest) }
	if p.options.KeepOutliers {
		outside = func(time.Time) bool { return false }
	}
	outliers := slices.DeleteFunc(stamps, func(s stampedLine) bool { return !outside(s.at) })
	p.leftOut = append(p.leftOut, outlierErrors(in.name, outliers)...)
	if untimed > 0 {
		p.leftOut = append(p.leftOut, untimedError{in.name, untimed})
	}
	n -= untimed + len(outliers)
	s := streamSource(in)
	s.next = kept(s.next, outside)
	if ordered {
		return s, n, nil
	}
	defer s.close()
	records := make([]Record, 0, n)
	for {
		rec, err := s.next()
		if err != nil {
			break // io.EOF: the file has records
		}
		records = append(records, rec)
	}
	slices.SortStableFunc(records, func(a, b Record) int { return a.At.Compare(b.At) })
	return sliceSource(records), len(records), nil
}

// spaced makes the records of a source that have no time, as long as none has one, follow each other in
// Options.Every. Their bodies keep none: the hub gives them the time of their arrival.
func (p *Playlist) spaced(s *source) *source {
	if p.options.Every == 0 {
		return s
	}
	next, n, timed := s.next, 0, false
	s.next = func() (Record, error) {
		rec, err := next()
		if timed = timed || rec.stamp != (span{}); err == nil && !timed {
			rec.At = p.start.Add(time.Duration(n) * p.options.Every)
			n++
		}
		return rec, err
	}
	return s
}

// kept returns the records of next without those that have no time, or one that is outside.
func kept(next func() (Record, error), outside func(time.Time) bool) func() (Record, error) {
	var last time.Time
	return func() (Record, error) {
		for {
			rec, err := next()
			switch {
			case err != nil:
				return rec, err
			case rec.untimed:
				continue
			case rec.stamp == span{}: // what the hub refuses stays behind the record before it
				rec.At = last
			case outside(rec.At):
				continue
			}
			last = rec.At
			return rec, nil
		}
	}
}

// untimedError says how many positions of a file are left out, because they have no time.
type untimedError struct {
	file    string
	untimed int
}

func (e untimedError) Error() string {
	positions := "positions"
	if e.untimed == 1 {
		positions = "position"
	}
	const why = "without a time left out, as others in it have one"
	return fmt.Sprintf("%s: %d %s %s", e.file, e.untimed, positions, why)
}

func eachRecord(in input, do func(Record)) error {
	r, err := openFile(in)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		rec, err := r.next()
		if err == io.EOF {
			return nil
		}
		if err != nil { // a nothingError: next returns other errors as a record
			return err
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

// Next returns the oldest record that it has not returned yet; among equally old ones the file
// named first comes first. It waits for standard input and pipes.
//
// It returns [io.EOF] after the last record, and another error if standard input or a pipe is no
// recording.
func (p *Playlist) Next() (Record, error) {
	var oldest *source
	for _, s := range p.sources {
		if err := p.unlessEmpty(s.fill()); err != nil {
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

// fill reads the head, unless it is there. It returns a nothingError once, instead of a first head.
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
	case errors.As(err, new(nothingError)):
		s.ended = true
		s.close()
		return err
	case err != nil:
		return err
	}
	s.head = &rec
	return nil
}

// Close closes the files that Next has not read to their ends.
func (p *Playlist) Close() {
	for _, s := range p.sources {
		s.close()
	}
}
