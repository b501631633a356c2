// Package recording reads recorded positions from files, in the order of their timestamps.
//
// [Open] makes a [Playlist] of files in JSON, CSV or GPX, also gzipped or in a zip archive, in the
// encodings and with the columns of many programs. [Playlist.Next] returns one [Record] after the
// other: a position object or GeoJSON Feature of one line, as a hub's POST /publish reads it.
// [Record.Restamp] moves a record to another time.
//
// The package does not validate positions: the hub rejects a latitude that is no number. A line
// that cannot be read at all becomes a Record that says why.
package recording

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/flate"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"livemap/geo"
)

// Record is one recorded position as it is published, and its place in the file.
type Record struct {
	Body    []byte // position object or Feature on one line, without its end
	Refused string // why there is no Body, for what cannot be read; otherwise empty
	File    string // name as passed to [Open], or "standard input"
	Line    int    // from 1; of a GPX track point, where its start tag ends

	At    time.Time // its timestamp, or without one that of the record before it
	stamp span      // of the timestamp in Body; empty without one

	untimed bool // the hub would give it the time of its arrival
}

// Restamp returns the record with its timestamp moved to a time, cut to the millisecond. It
// returns a record without a timestamp as it is: the hub sets the time of arrival.
func (r Record) Restamp(to time.Time) Record {
	if r.stamp == (span{}) {
		return r
	}
	body := append([]byte{}, r.Body[:r.stamp.from]...)
	body = geo.AppendTime(body, to.Truncate(time.Millisecond))
	r.Body = append(body, r.Body[r.stamp.to:]...)
	return r
}

// format reads the records of one file format, in the order of the file.
type format interface {
	// read returns io.EOF after the last record, or the error that keeps it from reading on.
	read() (Record, error)

	// found says what is in a file without a record, for example "2 routes"; "" for nothing.
	found() string
}

// nothingError says that a file was read to its end and has no record.
type nothingError struct{ file, found string }

func (e nothingError) Error() string {
	return e.file + ": nothing to play: " + cmp.Or(e.found, "it is empty")
}

// bufferSize is how many bytes of a file are in memory before they are read.
const bufferSize = 64 << 10

// standardInput is the file name that stands for standard input.
const standardInput = "-"

// recordFile is an opened file of records.
type recordFile struct {
	name   string
	format format
	file   io.Closer
	zone   *time.Location // of times in CSV that have none; nil: they are refused
	last   time.Time      // timestamp of the newest record that has one
	broken bool           // the file ended with an error, which next has returned
	some   bool           // there was a record
}

// openFile opens the input and detects its format.
func openFile(in input) (*recordFile, error) {
	f, err := in.open()
	if err != nil {
		return nil, err
	}
	r := &recordFile{name: in.name, zone: in.zone, file: f}
	if err := r.detect(f); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// formatError says that a file is no recording.
type formatError struct{ error }

// detect unpacks gzip, and picks the format. A formatError says that the file has none of them.
func (r *recordFile) detect(in io.Reader) error {
	text := bufio.NewReaderSize(in, bufferSize)
	if magic, _ := text.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(text)
		if err != nil {
			return fmt.Errorf("%s: %s", r.name, inWords(err))
		}
		text = bufio.NewReaderSize(unpacked, bufferSize)
	}
	text.Peek(4)
	start, _ := text.Peek(text.Buffered()) // what has come, without waiting for more
	if err := foreign(start); err != nil {
		return formatError{fmt.Errorf("%s: %w", r.name, err)}
	}
	text, err := decoded(text)
	if err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	switch r.kind(text) {
	case ".gpx":
		r.format, err = newGPX(text, baseName(r.name))
	case ".csv":
		r.format, err = newCSV(text, baseName(r.name), r.zone)
	default:
		r.format = newJSON(text)
	}
	if err != nil {
		return formatError{fmt.Errorf("%s: %w", r.name, err)}
	}
	return nil
}

// kind returns the format, named by its usual extension. The first character decides, and names of columns.
// Where these say nothing, the extension of the file does.
func (r *recordFile) kind(text *bufio.Reader) string {
	switch firstCharacter(text) {
	case '<':
		return ".gpx"
	case '{', '[', recordSeparator:
		return ".json"
	}
	switch ext := strings.ToLower(filepath.Ext(strings.TrimSuffix(r.name, ".gz"))); ext {
	case ".csv":
		return ext
	case ".gpx", ".ndjson", ".jsonl", ".json", ".geojson":
		if header, _ := parseHeader(string(firstLine(text)), 0); header.hasPlace() {
			return ".csv"
		}
		return strings.NewReplacer(".ndjson", ".json", ".jsonl", ".json", ".geojson", ".json").Replace(ext)
	}
	if firstCharacter(text) == 0 {
		return ".json"
	}
	return ".csv" // its header decides
}

// recordSeparator begins each text of a JSON text sequence (RFC 8142).
const recordSeparator = 0x1e

// firstCharacter peeks at the first byte that is not white space, or returns 0 where there is none.
func firstCharacter(text *bufio.Reader) byte {
	for n := 1; ; n++ {
		b, err := text.Peek(n)
		switch {
		case err != nil:
			return 0
		case !strings.Contains(" \t\r\n", string(b[n-1:])):
			return b[n-1]
		}
	}
}

// skipSpace skips the space that firstCharacter passes over.
func skipSpace(text *bufio.Reader) {
	for b, err := text.Peek(1); err == nil && bytes.ContainsAny(b, " \t\r\n"); b, err = text.Peek(1) {
		text.Discard(1)
	}
}

// peekLines peeks at the first n lines, without the break behind them. Lines that are longer than
// the buffer are cut.
func peekLines(text *bufio.Reader, n int) []byte {
	for more := 1; ; more = text.Buffered() + 1 {
		_, err := text.Peek(more)
		start, _ := text.Peek(text.Buffered())
		end := -1
		for range n {
			next := bytes.IndexByte(start[end+1:], '\n')
			if next < 0 {
				end = -1
				break
			}
			end += 1 + next
		}
		if end >= 0 {
			return start[:end]
		}
		if err != nil {
			return start
		}
	}
}

func firstLine(text *bufio.Reader) []byte { return peekLines(text, 1) }

// baseName is the name of a file without its folder and extensions.
func baseName(name string) string {
	name = filepath.Base(name)
	name = strings.TrimSuffix(name, ".gz")
	return strings.TrimSuffix(name, filepath.Ext(name))
}

// next returns the next record, or io.EOF after the last; a nothingError if there was none. An
// error of the file becomes a last, refused record.
func (r *recordFile) next() (Record, error) {
	if r.broken {
		return Record{}, io.EOF
	}
	rec, err := r.format.read()
	if err != nil && err != io.EOF {
		r.broken = true
		rec.Refused, err = "cannot read the rest: "+inWords(err), nil
	}
	if err == io.EOF && !r.some {
		return rec, nothingError{r.name, r.format.found()}
	}
	r.some = true
	rec.File, rec.At = r.name, r.last
	if err != nil || rec.Refused != "" {
		return rec, err
	}
	if at, where, ok := findTimestamp(rec.Body); ok {
		rec.At, rec.stamp, r.last = at, where, at
	} else if p, err := geo.ParsePosition(rec.Body); err == nil {
		rec.untimed = p.Time.IsZero()
	}
	return rec, nil
}

// inWords says why a file cannot be read.
func inWords(err error) string {
	if syntax, ok := errors.AsType[*xml.SyntaxError](err); ok {
		switch {
		case syntax.Msg == "unexpected EOF":
			return "the file ends in the middle; it was cut"
		case syntax.Msg == "invalid UTF-8":
			return notText
		}
		return "its XML is broken: " + syntax.Msg
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok && syntax.Err != io.ErrUnexpectedEOF {
		return "its JSON is broken: " + syntax.Err.Error()
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the file ends in the middle; it was cut"
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum),
		errors.As(err, new(flate.CorruptInputError)):
		return "its gzip compression is damaged"
	}
	return err.Error()
}

// notText is why text cannot be read.
const notText = "its encoding is neither UTF-8 nor windows-1252; save it as UTF-8"

// Close closes the file.
func (r *recordFile) Close() { r.file.Close() }
