package geo

import (
	"bytes"
	"errors"
	"fmt"
)

// Item is one item of a document: a [Position] or its [Refusal].
type Item struct {
	Position Position
	Refusal  *Refusal // nil: Position is valid
}

// SyntaxError reports that a document as a whole cannot be read.
type SyntaxError struct {
	Offset int64 // bytes before the mistake; 0 if the whole document is wrong
	Detail string
	Joined bool // another object follows the first, as in NDJSON that lost its line breaks
}

// Error returns the detail and the offset.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s (at byte %d)", e.Detail, e.Offset) }

// LimitError reports that a document exceeds a limit.
type LimitError struct{ Detail string }

// Error returns the detail.
func (e *LimitError) Error() string { return e.Detail }

// ParseDocument reads a JSON document: a position object, a Feature, a FeatureCollection, or an array of
// position objects and Features. With geoJSON (RFC 7946) it must be a Feature or a FeatureCollection.
// ParseDocument keeps no reference to body, and skips a byte order mark at its start.
//
// An invalid item does not affect the others. The error is a [*SyntaxError] if body is not JSON, has
// another form, or is nested deeper than [MaxDepth]. It is a [*LimitError] if body has more than
// [MaxItems] items.
func ParseDocument(body []byte, geoJSON bool) ([]Item, error) {
	return AppendItems(nil, body, geoJSON)
}

// AppendItems is [ParseDocument], but appends to dst. With an error it returns dst as it was.
func AppendItems(dst []Item, body []byte, geoJSON bool) ([]Item, error) {
	s := newScanner(body)
	defer s.release()

	if bytes.HasPrefix(body, []byte(byteOrderMark)) { // RFC 8259, section 8.1 allows to ignore it
		s.start = len(byteOrderMark)
		s.at = s.start
	}
	items, err := s.document(dst, geoJSON)
	if err == errBroken {
		err, _ = s.syntaxError()
	}
	if err != nil {
		return dst, err
	}
	return items, nil
}

// errBroken reports that a document is not JSON. AppendItems then finds the words.
var errBroken = errors.New("broken")

// document reads a whole document.
func (s *scanner) document(dst []Item, geoJSON bool) ([]Item, error) {
	if s.peek() == '[' && !geoJSON {
		items, err := s.items(dst, false)
		if err == nil && !s.end() {
			err = errBroken
		}
		return items, err
	}
	if !s.readOne() {
		return dst, errBroken
	}
	return s.root(dst, geoJSON)
}

// root reads the value on the tape as its type says.
func (s *scanner) root(dst []Item, geoJSON bool) ([]Item, error) {
	root := s.raw(0)
	offset := int64(s.tape[0].value.from)
	typ := s.find(0, fieldType)
	switch {
	case s.is(typ, "FeatureCollection"):
		return s.collection(dst, offset)
	case geoJSON && !s.is(typ, "Feature"):
		return dst, &SyntaxError{Offset: offset,
			Detail: "the document is not a GeoJSON Feature or FeatureCollection"}
	case root[0] != '{':
		return dst, &SyntaxError{Offset: offset,
			Detail: fmt.Sprintf("%s is neither a position object nor an array of them", showValue(root))}
	}
	return s.appendItem(dst, false), nil
}

// collection reads the features of a FeatureCollection (RFC 7946, section 3.3).
func (s *scanner) collection(dst []Item, offset int64) ([]Item, error) {
	at, refusal := s.members(0)
	if refusal != nil {
		return dst, &SyntaxError{Offset: offset, Detail: refusal.Detail}
	}
	if s.full {
		return dst, &LimitError{fmt.Sprintf("the FeatureCollection has more than %d members", maxNodes)}
	}
	features := at[fieldFeatures]
	if features == 0 || s.raw(features)[0] != '[' {
		return dst, &SyntaxError{Offset: offset,
			Detail: fmt.Sprintf("features is %s; in a FeatureCollection it must be an array", s.showNode(features))}
	}
	s.at = s.tape[features].value.from
	return s.items(dst, true)
}

// items reads an array of items.
func (s *scanner) items(dst []Item, featureOnly bool) ([]Item, error) {
	s.at++ // the bracket
	s.level++
	if s.peek() == ']' {
		s.close()
		return dst, nil
	}
	for n := 0; n < MaxItems; n++ {
		s.clear()
		if !s.read(span{}, fieldUnknown, 0) {
			return dst, errBroken
		}
		dst = s.appendItem(dst, featureOnly)
		switch s.peek() {
		case ',':
			s.at++
		case ']':
			s.close()
			return dst, nil
		default:
			return dst, errBroken
		}
	}
	return dst, &LimitError{fmt.Sprintf("the document has more than %d items", MaxItems)}
}

// appendItem appends the item on the tape.
func (s *scanner) appendItem(dst []Item, featureOnly bool) []Item {
	dst = append(dst, Item{})
	item := &dst[len(dst)-1]
	item.Refusal = s.position(&item.Position, featureOnly)
	return dst
}
