package recording

import (
	"bytes"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"livemap/geo"
)

// span is a part of a body: from its first byte to behind its last.
type span struct{ from, to int }

// findTimestamp reads the timestamp of a position object, or of a Feature from its properties,
// and returns where it stands. ok is false without a timestamp that can be read.
func findTimestamp(body []byte) (at time.Time, where span, ok bool) {
	var found timestampScan
	decoder := jsontext.NewDecoder(bytes.NewBuffer(body),
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if decoder.PeekKind() != '{' || found.scan(decoder, &found.object) != nil {
		return time.Time{}, span{}, false
	}
	where = found.object
	if found.feature {
		where = found.properties
	}
	text := body[where.from:where.to]
	if len(text) > 0 && text[0] == '"' {
		text, _ = jsontext.AppendUnquote(nil, text)
	}
	at, err := geo.ParseTime(string(text))
	return at, where, err == nil
}

// timestampScan is what findTimestamp has seen so far. Members come in any order: it records
// both places until it knows whether this is a Feature.
type timestampScan struct {
	feature            bool
	object, properties span
}

// scan reads one object and records the place of its timestamp in where.
func (s *timestampScan) scan(decoder *jsontext.Decoder, where *span) error {
	top := where == &s.object
	if _, err := decoder.ReadToken(); err != nil {
		return err
	}
	for decoder.PeekKind() != '}' {
		token, err := decoder.ReadToken()
		if err != nil {
			return err
		}
		member := token.String()
		if top && member == "properties" && decoder.PeekKind() == '{' {
			if err := s.scan(decoder, &s.properties); err != nil {
				return err
			}
			continue
		}
		value, err := decoder.ReadValue()
		if err != nil {
			return err
		}
		end := int(decoder.InputOffset())
		switch {
		case member == "timestamp":
			*where = span{end - len(value), end}
		case member == "type" && top:
			s.feature = string(value) == `"Feature"`
		}
	}
	_, err := decoder.ReadToken()
	return err
}
