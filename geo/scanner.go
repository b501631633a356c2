package geo

import (
	"bytes"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// maxNodes bounds the tape. A Feature that fits [MaxFeature] cannot have as many
// members: each takes five bytes or more.
const maxNodes = 4096

// node is one JSON value on the tape.
type node struct {
	key   []byte // the member name as JSON text; nil for an array's element
	name  []byte // the member name unquoted; nil where that is not UTF-8
	raw   []byte // the value as JSON text
	next  int    // index of the node that follows this one and all inside it
	field field  // which known member this is
}

// scanner reads JSON once and notes on a flat tape where the values are that a
// position is made of. What stands inside of other values is only checked.
//
// Node 0 is the item, and what is inside node i follows it, up to node i's next.
type scanner struct {
	body []byte
	in   bytes.Buffer // jsontext reads a bytes.Buffer in place, without a copy
	dec  jsontext.Decoder
	tape []node
	full bool   // there was more than the tape holds
	out  []byte // scratch for the Feature
}

// decoding lets through what is judged per item: one item with a byte that is
// not UTF-8, or with a member twice, must not take the others with it.
var decoding = []jsontext.Options{
	jsontext.AllowInvalidUTF8(true),
	jsontext.AllowDuplicateNames(true),
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

func newScanner() *scanner { return scanners.Get().(*scanner) }

// release gives the scanner back after it read n bytes. One that read a large
// body is dropped, since it would keep that body alive.
func (s *scanner) release(n int) {
	const keep = 64 << 10
	if n <= keep {
		scanners.Put(s)
	}
}

// start makes the scanner read body.
func (s *scanner) start(body []byte) {
	s.body = body
	s.in = *bytes.NewBuffer(body)
	s.dec.Reset(&s.in, decoding...)
	s.clear()
}

// clear empties the tape for the next item.
func (s *scanner) clear() { s.tape, s.full = s.tape[:0], false }

// readOne reads body, which holds one value and nothing else.
func (s *scanner) readOne(body []byte) error {
	s.clear() // here too, for check may fail and a refusal looks at the tape
	if err := check(body); err != nil {
		return err
	}
	s.start(body)
	if err := s.read(0); err != nil {
		return err
	}
	return s.end()
}

// end reports what follows the value that was read.
func (s *scanner) end() error {
	rest := bytes.TrimLeft(s.body[s.dec.InputOffset():], " \t\r\n")
	if len(rest) == 0 {
		return nil
	}
	offset := int64(len(s.body) - len(rest))
	return &SyntaxError{offset, "not JSON: there is more after the end of the value"}
}

// read puts the next value on the tape, as an element or as the item itself.
func (s *scanner) read(depth int) error { return s.readValue(nil, nil, depth) }

// readMember puts the next member of an object on the tape.
func (s *scanner) readMember(depth int) error {
	key, err := s.dec.ReadValue()
	if err != nil {
		return err
	}
	key = s.last(len(key))
	return s.readValue(key, unquote(key), depth)
}

// readValue puts the next value on the tape.
func (s *scanner) readValue(key, name []byte, depth int) error {
	if len(s.tape) >= maxNodes {
		s.full = true
		return s.dec.SkipValue()
	}
	i := len(s.tape)
	s.tape = append(s.tape, node{key: key, name: name, field: fieldOf(name)})
	raw, err := s.readRaw(name, depth)
	s.tape[i].raw, s.tape[i].next = raw, len(s.tape)
	return err
}

// readRaw returns the next value's text, after it went inside where a position
// has something to say.
func (s *scanner) readRaw(name []byte, depth int) ([]byte, error) {
	kind := s.dec.PeekKind()
	switch {
	case kind == '{' && (depth == 0 || opensObject(name, depth)):
		return s.readInside('}', depth)
	case kind == '[' && opensArray(name, depth):
		return s.readInside(']', depth)
	}
	v, err := s.dec.ReadValue()
	return s.last(len(v)), err
}

func opensObject(name []byte, depth int) bool {
	return depth == 1 && (string(name) == "properties" || string(name) == "geometry")
}

func opensArray(name []byte, depth int) bool {
	return depth > 0 && (string(name) == "topics" || string(name) == "coordinates")
}

// readInside reads an object or array up to its closing bracket.
func (s *scanner) readInside(closing jsontext.Kind, depth int) ([]byte, error) {
	if _, err := s.dec.ReadToken(); err != nil {
		return nil, err
	}
	start := s.dec.InputOffset() - 1
	for n := 0; s.dec.PeekKind() != closing; n++ {
		var err error
		switch {
		case closing == '}':
			err = s.readMember(depth + 1)
		case n > MaxTopics: // more than any array here may have: one too many is enough
			err = s.dec.SkipValue()
		default:
			err = s.read(depth + 1)
		}
		if err != nil {
			return nil, err
		}
	}
	_, err := s.dec.ReadToken()
	return s.body[start:s.dec.InputOffset()], err
}

// last is the text of the value just read, which has n bytes. It is a piece of
// body: what the decoder returns is valid only until the next read.
func (s *scanner) last(n int) []byte {
	end := s.dec.InputOffset()
	return s.body[end-int64(n) : end]
}

// find returns the index of the member of node i with this name, or 0.
func (s *scanner) find(i int, name string) int {
	for j := i + 1; j < s.tape[i].next; j = s.tape[j].next {
		if string(s.tape[j].name) == name {
			return j
		}
	}
	return 0
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
