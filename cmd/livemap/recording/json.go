package recording

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// jsonOptions leave it to the hub to reject what is JSON, but no position.
var jsonOptions = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// newJSON returns the format of a file in JSON: a position on each line, or any other layout.
func newJSON(text *bufio.Reader) format {
	skipSpace(text)
	if isDocument(text) {
		lines := &lineCounter{in: text, line: 1}
		return &jsonDocument{decoder: jsontext.NewDecoder(lines, jsonOptions), lines: lines}
	}
	return &ndjson{in: text}
}

// isDocument reports whether the text begins with an array, a FeatureCollection, or an object that goes
// on behind the end of its line. It waits for two lines at most.
func isDocument(text *bufio.Reader) bool {
	collection, err := firstValue(peekLines(text, 1))
	if collection || !errors.Is(err, io.ErrUnexpectedEOF) {
		return collection
	}
	lines := peekLines(text, 2)
	_, err = firstValue(lines)
	return bytes.Contains(lines, []byte{'\n'}) && (err == nil || errors.Is(err, io.ErrUnexpectedEOF))
}

// firstValue reads the first value in text. It reports whether that is an array or has a list of
// features.
func firstValue(text []byte) (collection bool, err error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(text), jsonOptions)
	if d.PeekKind() == '[' {
		return true, nil
	}
	for {
		token, err := d.ReadToken()
		if err != nil || d.StackDepth() == 0 {
			return false, err
		}
		isName := d.StackDepth() == 1 && token.Kind() == '"'
		if isName && token.String() == "features" && d.PeekKind() == '[' {
			return true, nil
		}
	}
}

// jsonDocument reads JSON in whatever way it is laid out: positions and Features, or arrays and
// FeatureCollections of them, one after the other. It holds one position in memory.
type jsonDocument struct {
	decoder    *jsontext.Decoder
	lines      *lineCounter
	list       bool // it is in an array of positions
	collection bool // it is in a FeatureCollection
	lists      int  // arrays and FeatureCollections so far
}

func (j *jsonDocument) read() (Record, error) {
	for {
		rec, found, err := j.next()
		if err != nil {
			offset := j.decoder.InputOffset()
			if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
				offset = syntax.ByteOffset
			}
			return Record{Line: j.lines.at(offset)}, err
		}
		if found {
			return rec, nil
		}
	}
}

// next reads a record, or the beginning or end of a list, which is not found.
func (j *jsonDocument) next() (rec Record, found bool, err error) {
	kind := j.decoder.PeekKind()
	switch {
	case j.list && kind == ']':
		j.list = false
		_, err = j.decoder.ReadToken()
		return rec, false, err
	case j.list:
		return j.value()
	case j.collection && kind == '}':
		j.collection = false
		_, err = j.decoder.ReadToken()
		return rec, false, err
	case j.collection: // another member of it
		if _, err = j.decoder.ReadToken(); err == nil {
			err = j.decoder.SkipValue()
		}
		return rec, false, err
	case kind == '[':
		return rec, false, j.openList()
	case kind == '{':
		return j.object()
	}
	return j.value()
}

func (j *jsonDocument) openList() error {
	j.list = true
	j.lists++
	_, err := j.decoder.ReadToken()
	return err
}

// value reads a value as a record, whatever it is.
func (j *jsonDocument) value() (Record, bool, error) {
	value, err := j.decoder.ReadValue()
	if err != nil {
		return Record{}, false, err
	}
	line := j.lines.at(j.decoder.InputOffset() - int64(len(value)))
	return Record{Line: line, Body: compact(value)}, true, nil
}

// object reads an object as a record, or up to the first feature of a FeatureCollection.
func (j *jsonDocument) object() (rec Record, found bool, err error) {
	if _, err := j.decoder.ReadToken(); err != nil {
		return rec, false, err
	}
	rec.Line = j.lines.at(j.decoder.InputOffset() - 1)
	var position positionObject
	var listed string // name of a member that is an array of objects
	placed := false   // it may be a position or a Feature
	for j.decoder.PeekKind() != '}' {
		token, err := j.decoder.ReadToken()
		if err != nil {
			return rec, false, err
		}
		name, isList := token.String(), j.decoder.PeekKind() == '['
		switch {
		case name == "features" && isList:
			j.collection = true
			return rec, false, j.openList()
		case isList && slices.Contains(timelineLists, name):
			return rec, false, errTimeline
		}
		value, err := j.decoder.ReadValue()
		if err != nil {
			return rec, false, err
		}
		if isList && bytes.HasPrefix(bytes.TrimLeft(value, "[ \t\r\n"), []byte("{")) {
			listed = name
		}
		placed = placed || name == "lat" || name == "geometry"
		position.raw(name, string(compact(value)))
	}
	rec.Body = position.end()
	if listed != "" && !placed {
		rec.Body, rec.Refused = nil, fmt.Sprintf("its positions are in a list called %s; put one on each line, "+
			"for example with: jq -c '.%s[]'", listed, listed)
	}
	_, err = j.decoder.ReadToken()
	return rec, err == nil, err
}

// timelineLists are what Google's exports of a person's places consist of.
var timelineLists = []string{"locations", "semanticSegments", "timelineObjects", "rawSignals"}

var errTimeline = errors.New("it is a Google Timeline, which replay does not read; convert it to GPX")

// compact returns a value on one line, in memory of its own.
func compact(value jsontext.Value) []byte {
	value = value.Clone()
	if value.Compact(jsonOptions, jsontext.PreserveRawStrings(true)) != nil {
		return nil // never: the decoder has read it
	}
	return value
}

func (j *jsonDocument) found() string {
	if j.lists > 0 {
		return "its list of positions is empty"
	}
	return ""
}

// lineCounter knows the line of an offset in what it has read.
type lineCounter struct {
	in     io.Reader
	read   int64
	line   int     // of the last offset that was asked for
	breaks []int64 // offsets of line breaks behind it
}

func (l *lineCounter) Read(p []byte) (int, error) {
	n, err := l.in.Read(p)
	for i, b := range p[:n] {
		if b == '\n' {
			l.breaks = append(l.breaks, l.read+int64(i))
		}
	}
	l.read += int64(n)
	return n, err
}

// at returns the line of an offset that is not before the last one.
func (l *lineCounter) at(offset int64) int {
	passed := 0
	for passed < len(l.breaks) && l.breaks[passed] < offset {
		passed++
	}
	l.line += passed
	l.breaks = slices.Delete(l.breaks, 0, passed)
	return l.line
}
