package geo

import (
	"bytes"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// maxNodes bounds the tape. A Feature that fits [MaxFeature] cannot have as many
// members: each takes five bytes or more.
const maxNodes = 4096

// span is a piece of the scanner's body.
type span struct{ from, to int }

// node is one JSON value on the tape.
type node struct {
	name  span  // of the member, with its quotes; empty for an array's element
	value span  // empty where the text broke off
	next  int   // index of the node that follows this one and all inside it
	field field // which known member this is
}

// scanner reads JSON once and notes on a flat tape where the values are that a
// position is made of. What stands inside of other values is only checked.
//
// Node 0 is the item, and what is inside node i follows it, up to node i's next.
//
// It tells only that something is wrong; what it is, a library that is slower says.
type scanner struct {
	body  []byte
	at    int // index in body of what is to be read next
	level int // how many brackets are open
	tape  []node
	full  bool            // there was more than the tape holds
	out   []byte          // scratch for the Feature
	kept  strings.Builder // holds the texts of positions, see keep
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

func newScanner(body []byte) *scanner {
	s := scanners.Get().(*scanner)
	s.body, s.at, s.level = body, 0, 0
	s.clear()
	return s
}

// release gives the scanner back, but for one that has grown too much to be kept.
func (s *scanner) release() {
	const most = 64 << 10
	s.body = nil
	if cap(s.out) <= most {
		scanners.Put(s)
	}
}

// clear empties the tape for the next item.
func (s *scanner) clear() { s.tape, s.full = s.tape[:0], false }

// readOne reads the body as one value and nothing else.
func (s *scanner) readOne() bool { return s.read(span{}, fieldUnknown, 0) && s.end() }

// end tells whether nothing follows what was read.
func (s *scanner) end() bool { return skipSpace(s.body, s.at) == len(s.body) }

// peek skips white space and returns the byte behind it, 0 at the end.
func (s *scanner) peek() byte {
	if s.at = skipSpace(s.body, s.at); s.at < len(s.body) {
		return s.body[s.at]
	}
	return 0
}

// read puts the next value on the tape.
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

// readValue reads a value whose first byte is known, and notes what is inside
// where a position has something to say.
func (s *scanner) readValue(first byte, f field, depth int) bool {
	switch {
	case first == '{' && (depth == 0 || depth == 1 && (f == fieldProperties || f == fieldGeometry)):
		return s.readInside('}', depth+1, true)
	case first == '[' && depth > 0 && (f == fieldTopics || f == fieldCoordinates):
		return s.readInside(']', depth+1, true)
	}
	return s.skip(first)
}

// readInside reads an object or array up to its closing bracket, and puts what is
// readInside on the tape if it is to be noted.
func (s *scanner) readInside(closing byte, depth int, noted bool) bool {
	s.at++
	if s.level++; s.level > MaxDepth {
		return false
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
	case noted && n <= MaxTopics: // more than any array here may have: one too many is enough
		return s.read(span{}, fieldUnknown, depth)
	}
	return s.skip(s.peek())
}

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

// skip reads a value whose first byte is known.
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

// moveTo goes on at i, where something ended, if it did.
func (s *scanner) moveTo(i int) bool {
	if i == broken {
		return false
	}
	s.at = i
	return true
}

func (s *scanner) text(p span) []byte { return s.body[p.from:p.to] }

// raw is the value of node i as JSON text, key its member name.
func (s *scanner) raw(i int) []byte { return s.text(s.tape[i].value) }
func (s *scanner) key(i int) []byte { return s.text(s.tape[i].name) }

// name is node i's member name, nil where that is not UTF-8.
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

// keepString makes a string of text. Some dozen share one allocation.
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

// unquote returns the text of a JSON string, or nil if that is not UTF-8: half
// of a surrogate pair cannot be written down. It copies only what has escapes.
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

// AppendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}
