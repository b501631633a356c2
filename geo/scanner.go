package geo

import (
	"bytes"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// maxNodes limits the tape. A Feature of [MaxFeature] bytes cannot have as many members, as each needs at
// least five bytes.
const maxNodes = 4096

// span is a part of the scanner's body.
type span struct{ from, to int }

// node is one JSON value on the tape.
type node struct {
	name  span  // the member name with its quotes; empty for an element of an array
	value span  // empty if the text ended within it
	next  int   // index of the node behind this one and everything inside it
	field field // the known member that this is
}

// scanner reads JSON once and records on a flat tape where the values of a position are. It only checks
// the inside of all other values.
//
// Node 0 is the item. The nodes inside node i follow it, up to its next.
//
// The scanner reports only that something is wrong. A slower library then finds the words.
type scanner struct {
	body  []byte
	start int // index in body of the JSON text, behind a byte order mark
	at    int // index in body of the next byte to read
	level int // open brackets
	tape  []node
	full  bool            // the item has more nodes than the tape holds
	deep  bool            // the item has MaxDepth levels, so that its Feature may have more
	out   []byte          // scratch for the Feature
	kept  strings.Builder // the texts of positions, see keepString
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

// newScanner returns a scanner of body. The caller must release it.
func newScanner(body []byte) *scanner {
	s := scanners.Get().(*scanner)
	s.body, s.start, s.at, s.level = body, 0, 0, 0
	s.clear()
	return s
}

// release returns the scanner to the pool unless it has grown too large.
func (s *scanner) release() {
	const most = 64 << 10
	s.body = nil
	if cap(s.out) <= most {
		scanners.Put(s)
	}
}

// clear empties the tape for the next item.
func (s *scanner) clear() { s.tape, s.full, s.deep = s.tape[:0], false, false }

// readOne reads the body as one value and nothing else.
func (s *scanner) readOne() bool { return s.read(span{}, fieldUnknown, 0) && s.end() }

// end reports whether only white space follows.
func (s *scanner) end() bool { return skipSpace(s.body, s.at) == len(s.body) }

// peek skips white space and returns the byte behind it; 0 at the end.
func (s *scanner) peek() byte {
	if s.at = skipSpace(s.body, s.at); s.at < len(s.body) {
		return s.body[s.at]
	}
	return 0
}

// read reads the next value onto the tape.
func (s *scanner) read(name span, f field, depth int) bool {
	first := s.peek()
	if len(s.tape) == maxNodes {
		s.full = true
		return s.skip(first)
	}
	i, start := len(s.tape), s.at
	s.tape = append(s.tape, node{name, span{start, start}, 0, f})
	ok := s.readValue(first, f, depth)
	if ok {
		s.tape[i].value.to = s.at
	}
	s.tape[i].next = len(s.tape)
	return ok
}

// readValue reads a value with a known first byte. It records the inside of the values that a position is
// made of.
func (s *scanner) readValue(first byte, f field, depth int) bool {
	switch {
	case first == '{' && (depth == 0 || depth == 1 && (f == fieldProperties || f == fieldGeometry)):
		return s.readInside('}', depth+1, true)
	case first == '[' && depth > 0 && (f == fieldTopics || f == fieldCoordinates):
		return s.readInside(']', depth+1, true)
	}
	return s.skip(first)
}

// readInside reads an object or array up to its closing bracket. If noted, it records the inside.
func (s *scanner) readInside(closing byte, depth int, noted bool) bool {
	s.at++
	if s.level++; s.level >= MaxDepth {
		if s.level > MaxDepth {
			return false
		}
		s.deep = true
	}
	if s.peek() == closing {
		return s.close()
	}
	for n := 0; s.readOneOf(closing, n, depth, noted); n++ {
		switch s.peek() {
		case ',':
			s.at++
		case closing:
			return s.close()
		default:
			return false
		}
	}
	return false
}

// close reads a closing bracket.
func (s *scanner) close() bool {
	s.at++
	s.level--
	return true
}

// readOneOf reads member or element n.
func (s *scanner) readOneOf(closing byte, n, depth int, noted bool) bool {
	switch {
	case closing == '}':
		return s.member(depth, noted)
	case noted && n <= MaxTopics: // no array here may have more; one too many shows that it has
		return s.read(span{}, fieldUnknown, depth)
	}
	return s.skip(s.peek())
}

// member reads a name and its value.
func (s *scanner) member(depth int, noted bool) bool {
	s.peek()
	start := s.at
	if !s.moveTo(skipString(s.body, s.at)) {
		return false
	}
	name := span{start, s.at}
	if s.peek() != ':' {
		return false
	}
	s.at++
	if !noted {
		return s.skip(s.peek())
	}
	return s.read(name, fieldOf(unquote(s.text(name))), depth)
}

// skip reads a value with a known first byte and records nothing.
func (s *scanner) skip(first byte) bool {
	switch first {
	case '{':
		return s.readInside('}', 0, false)
	case '[':
		return s.readInside(']', 0, false)
	case '"':
		return s.moveTo(skipString(s.body, s.at))
	case 't':
		return s.moveTo(skipLiteral(s.body, s.at, "true"))
	case 'f':
		return s.moveTo(skipLiteral(s.body, s.at, "false"))
	case 'n':
		return s.moveTo(skipLiteral(s.body, s.at, "null"))
	}
	return s.moveTo(skipNumber(s.body, s.at))
}

// moveTo continues at i unless i is broken, and reports whether it does.
func (s *scanner) moveTo(i int) bool {
	if i == broken {
		return false
	}
	s.at = i
	return true
}

func (s *scanner) text(p span) []byte { return s.body[p.from:p.to] }

// raw returns the value of node i as JSON text, key its member name as JSON text.
func (s *scanner) raw(i int) []byte { return s.text(s.tape[i].value) }
func (s *scanner) key(i int) []byte { return s.text(s.tape[i].name) }

// name returns the member name of node i; nil if it is not UTF-8.
func (s *scanner) name(i int) []byte { return unquote(s.key(i)) }

// find returns the index of the member of node i that is f, or 0.
func (s *scanner) find(i int, f field) int {
	for j := i + 1; j < s.tape[i].next; j = s.tape[j].next {
		if s.tape[j].field == f {
			return j
		}
	}
	return 0
}

// keepString returns text as a string. Some dozen strings share one allocation.
func (s *scanner) keepString(text []byte) string {
	const together = 16 << 10
	if s.kept.Cap()-s.kept.Len() < len(text) {
		s.kept.Reset()
		s.kept.Grow(max(together, len(text)))
	}
	start := s.kept.Len()
	s.kept.Write(text)
	return s.kept.String()[start:]
}

// unquote returns the text of a JSON string. It returns nil if the text is not UTF-8, such as half a
// surrogate pair. It copies only strings with escapes.
func unquote(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	text, err := jsontext.AppendUnquote(make([]byte, 0, len(raw)), raw)
	if err != nil {
		return nil
	}
	return text
}

// AppendString appends s as a JSON string without line breaks: see [EscapeLineBreaks]. It replaces bytes
// that are not UTF-8 with U+FFFD.
func AppendString(dst []byte, s string) []byte {
	quoted, _ := jsontext.AppendQuote(dst, s)
	return append(dst, EscapeLineBreaks(quoted[len(dst):])...)
}
