package geo

import (
	"bytes"
	"errors"
	"fmt"
)

// Item is one item of a document: a Position, or why it was refused.
type Item struct {
	Position Position
	Refusal  *Refusal // nil where Position is valid
}

// SyntaxError says that a document cannot be read at all.
type SyntaxError struct {
	Offset int64 // bytes before what is wrong, 0 where it is the whole document
	Detail string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s (at byte %d)", e.Detail, e.Offset) }

// LimitError says that a document has more in it than is taken.
type LimitError struct{ Detail string }

func (e *LimitError) Error() string { return e.Detail }

// ParseDocument reads a JSON document: a position object, a Feature, a
// FeatureCollection, or an array of position objects and Features. With geoJSON
// (RFC 7946) it must be a Feature or a FeatureCollection. It keeps nothing of body.
//
// An item that is wrong does not take the others with it. The error is a
// [*SyntaxError] where body is not JSON, has another form, or is nested deeper than
// [MaxDepth]; a [*LimitError] where it has more than [MaxItems] items.
func ParseDocument(body []byte, geoJSON bool) ([]Item, error) {
	s := newScanner()
	defer s.release(len(body))

	items, err := s.document(body, geoJSON)
	if limit, ok := errors.AsType[*LimitError](err); ok {
		return nil, limit
	}
	if err != nil {
		return nil, s.syntaxError(err)
	}
	return items, nil
}

func (s *scanner) document(body []byte, geoJSON bool) ([]Item, error) {
	if err := check(body); err != nil {
		return nil, err
	}
	s.start(body)
	if s.dec.PeekKind() == '[' && !geoJSON {
		items, err := s.items(false)
		if err != nil {
			return nil, err
		}
		return items, s.end()
	}
	if err := s.read(0); err != nil {
		return nil, err
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	return s.root(geoJSON)
}

// root takes the one value on the tape for what its type says.
func (s *scanner) root(geoJSON bool) ([]Item, error) {
	root := s.tape[0].raw
	offset := int64(bytes.IndexByte(s.body, root[0]))
	typ := s.find(0, "type")
	switch {
	case typ != 0 && isText(s.tape[typ].raw, "FeatureCollection"):
		return s.collection(offset)
	case geoJSON && (typ == 0 || !isText(s.tape[typ].raw, "Feature")):
		return nil, &SyntaxError{offset, "not a GeoJSON Feature or FeatureCollection"}
	case root[0] != '{':
		return nil, &SyntaxError{offset, fmt.Sprintf("%s is neither a position object nor an array of them", show(root))}
	}
	return []Item{s.item(false)}, nil
}

// collection takes the features of a FeatureCollection (RFC 7946, section 3.3).
func (s *scanner) collection(offset int64) ([]Item, error) {
	if refusal := s.unique(0); refusal != nil {
		return nil, &SyntaxError{offset, refusal.Detail}
	}
	if s.full {
		return nil, &LimitError{fmt.Sprintf("more than %d members in a FeatureCollection", maxNodes)}
	}
	features := s.find(0, "features")
	if features == 0 || s.tape[features].raw[0] != '[' {
		return nil, &SyntaxError{offset, fmt.Sprintf("features is %s; in a FeatureCollection it must be an array", s.showNode(features))}
	}
	s.start(s.tape[features].raw)
	return s.items(true)
}

// items reads an array of items.
func (s *scanner) items(featureOnly bool) ([]Item, error) {
	if _, err := s.dec.ReadToken(); err != nil {
		return nil, err
	}
	var items []Item
	for s.dec.PeekKind() != ']' {
		if len(items) == MaxItems {
			return nil, &LimitError{fmt.Sprintf("more than %d items in one document", MaxItems)}
		}
		s.clear()
		if err := s.read(0); err != nil {
			return nil, err
		}
		items = append(items, s.item(featureOnly))
	}
	_, err := s.dec.ReadToken()
	return items, err
}

func (s *scanner) item(featureOnly bool) Item {
	p, refusal := s.position(featureOnly)
	return Item{Position: p, Refusal: refusal}
}

// check finds what would be costly, or hard to understand, further on: a byte order
// mark and deep nesting.
func check(body []byte) error {
	if bytes.HasPrefix(body, []byte("\ufeff")) {
		return &SyntaxError{0, "not JSON: it begins with a byte order mark (EF BB BF), which JSON must not (RFC 8259, section 8.1)"}
	}
	if bytes.Count(body, []byte{'['})+bytes.Count(body, []byte{'{'}) <= MaxDepth {
		return nil
	}
	if i := tooDeep(body); i >= 0 {
		return &SyntaxError{int64(i), fmt.Sprintf("nested deeper than %d levels", MaxDepth)}
	}
	return nil
}

// tooDeep returns where body goes deeper than MaxDepth, or -1. It counts brackets
// outside of strings; whether they match is for the decoder to say.
func tooDeep(body []byte) int {
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			inString = !inString
		case c == '\\':
			i++ // also outside of strings, where it is an error anyway
		case inString:
		case c == '[' || c == '{':
			if depth++; depth > MaxDepth {
				return i
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return -1
}
