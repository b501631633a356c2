package geo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Refusal says why the hub rejects an item, in words for its publisher. All its texts are valid UTF-8.
type Refusal struct {
	VehicleID string // empty if it cannot be read
	Field     string // the wrong member; empty if the whole item is wrong
	Detail    string // what is wrong and what is allowed
	Joined    bool   // another object follows the item, as in NDJSON that lost its line breaks
}

// Error returns the detail.
func (r *Refusal) Error() string { return r.Detail }

func refuse(field, detail string, args ...any) *Refusal {
	return &Refusal{Field: field, Detail: fmt.Sprintf(detail, args...)}
}

// refuseSyntax returns the refusal of an item that is not JSON. It names the member at the mistake, such
// as one that is NaN.
func (s *scanner) refuseSyntax() *Refusal {
	syntax, member := s.syntaxError()
	r := refuse(fieldAt(member), "%s", syntax)
	r.Joined = syntax.Joined
	if rule := numberRules[fieldOf([]byte(r.Field))]; rule.name != "" {
		r.Detail += "; " + rule.name + " must be " + rule.text
	}
	r.VehicleID = s.vehicleID()
	return r
}

// fieldAt returns the name of the member that p points to.
func fieldAt(p jsontext.Pointer) string {
	if strings.HasPrefix(string(p), "/geometry/coordinates") {
		return "geometry.coordinates"
	}
	return memberLabel(p.LastToken())
}

// refuseEncoding returns the refusal of an item that is not UTF-8. It names the member.
func (s *scanner) refuseEncoding() *Refusal {
	r := refuse("", "the position is not UTF-8")
	for i := 1; i < len(s.tape); i++ {
		if key := s.key(i); len(key) > 0 && !(utf8.Valid(key) && utf8.Valid(s.raw(i))) {
			r = refuse(s.labelOf(i), "%s is not UTF-8", s.labelOf(i))
		}
	}
	return r
}

// syntaxError returns what is wrong with the body and at which byte, and the member at the mistake.
func (s *scanner) syntaxError() (*SyntaxError, jsontext.Pointer) {
	text := s.body[s.start:]
	fault := &SyntaxError{Offset: int64(s.start)}
	switch {
	case s.start == 0 && bytes.HasPrefix(text, []byte(byteOrderMark)):
		fault.Detail = "not JSON: it begins with a byte order mark (EF BB BF), " +
			"which only the start of a body may have"
		return fault, ""
	case isWideText(text):
		fault.Detail = "not JSON: it is UTF-16 or UTF-32; it must be UTF-8"
		return fault, ""
	}
	if i := tooDeep(text); i >= 0 {
		fault.Offset += int64(i)
		fault.Detail = fmt.Sprintf("it is nested deeper than %d levels", MaxDepth)
		return fault, ""
	}
	end, err := readAll(text)
	if err == nil {
		end = skipSpace(text, end)
		fault.Offset += int64(end)
		fault.Detail = "not JSON: more text follows the value"
		fault.Joined = text[skipSpace(text, 0)] == '{' && text[end] == '{'
		return fault, ""
	}
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok { // io.EOF: nothing but white space
		fault.Detail = "not JSON: it is empty"
		return fault, ""
	}
	fault.Offset += syntax.ByteOffset
	fault.Detail = "not JSON: " + syntaxCause(text, syntax)
	if syntax.JSONPointer != "" {
		fault.Detail += ", in " + quote(string(syntax.JSONPointer))
	}
	return fault, syntax.JSONPointer
}

// isWideText reports whether text is UTF-16 or UTF-32, with or without a byte order mark. JSON begins with
// an ASCII character, so that one of its first bytes is NUL.
func isWideText(text []byte) bool {
	return bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) ||
		len(text) > 1 && (text[0] == 0 || text[1] == 0)
}

// readAll reads one value for its error, and returns where it ends.
func readAll(body []byte) (end int, err error) {
	// The scanner checks these two per item: an item with a byte that is not UTF-8, or with a member
	// twice, must not affect the others.
	decoder := jsontext.NewDecoder(bytes.NewBuffer(body),
		jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	for {
		if _, err := decoder.ReadToken(); err != nil {
			return 0, err
		}
		if decoder.StackDepth() == 0 {
			return int(decoder.InputOffset()), nil
		}
	}
}

// TooDeep reports whether JSON is nested deeper than [MaxDepth].
func TooDeep(text []byte) bool { return tooDeep(text) >= 0 }

// tooDeep returns where body is nested deeper than MaxDepth, or -1. It counts brackets outside strings.
// The decoder checks whether they match.
func tooDeep(body []byte) int {
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			inString = !inString
		case c == '\\':
			i++ // outside strings, too, where it is an error anyway
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

// syntaxCause returns the words for an error of the decoder.
func syntaxCause(body []byte, err *jsontext.SyntacticError) string {
	rest := body[min(int(err.ByteOffset), len(body)):]
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends in the middle of a value"
	case bytes.HasPrefix(rest, []byte("NaN")):
		return "NaN is not a JSON number"
	case bytes.HasPrefix(bytes.TrimPrefix(rest, []byte("-")), []byte("Inf")):
		return "Infinity is not a JSON number"
	}
	return err.Err.Error()
}

// showLimit is how many bytes of a publisher's text an error shows at most.
const showLimit = 40

// showNode returns node i for an error, "missing" for a missing node.
func (s *scanner) showNode(i int) string {
	if i == 0 {
		return "missing"
	}
	return showValue(s.raw(i))
}

// showValue returns a JSON value for an error, short and safe to print.
func showValue(raw []byte) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		text, _ := jsontext.AppendUnquote(nil, raw)
		return quote(string(text))
	}
	if len(raw) > showLimit {
		return string(raw[:showLimit-len("…")]) + "…"
	}
	return string(raw)
}

// quote quotes text in at most showLimit bytes.
func quote(text string) string {
	if len(text) <= showLimit {
		if q := strconv.Quote(text); len(q) <= showLimit {
			return q
		}
	}
	n := min(len(text), showLimit)
	for {
		for n > 0 && !utf8.RuneStart(text[min(n, len(text)-1)]) {
			n--
		}
		if q := strconv.Quote(text[:n]); len(q) <= showLimit-len("…") {
			return q + "…"
		}
		n--
	}
}

// labelOf returns the name of node i for Refusal.Field.
func (s *scanner) labelOf(i int) string { return memberLabel(string(s.name(i))) }

// memberLabel returns a member name that is short and safe to print. It quotes only what needs it.
func memberLabel(text string) string {
	if q := quote(text); strings.Trim(q, `"`) != text {
		return q
	}
	return text
}
