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

// Refusal says why one item was not taken, in words for its publisher. All its
// texts are valid UTF-8.
type Refusal struct {
	VehicleID string // empty where it could not be read
	Field     string // the member that is wrong; empty where it is the whole item
	Detail    string // what is wrong, and what would be right
}

func (r *Refusal) Error() string { return r.Detail }

func refuse(field, detail string, args ...any) *Refusal {
	return &Refusal{Field: field, Detail: fmt.Sprintf(detail, args...)}
}

// refuseSyntax words an error of reading one item. Where the text broke off at a
// member, NaN for instance, it is that member's fault.
func (s *scanner) refuseSyntax(err error) *Refusal {
	r := refuse("", "%s", s.syntaxError(err))
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		r.Field = fieldAt(syntax.JSONPointer)
	}
	if rule := rules[fieldOf([]byte(r.Field))]; rule.name != "" {
		r.Detail += "; " + rule.name + " must be " + rule.text
	}
	r.VehicleID = s.vehicleID()
	return r
}

// fieldAt names the member that p points to.
func fieldAt(p jsontext.Pointer) string {
	if strings.HasPrefix(string(p), "/geometry/coordinates") {
		return "geometry.coordinates"
	}
	return label([]byte(p.LastToken()))
}

// refuseEncoding names the member where the item is not UTF-8.
func (s *scanner) refuseEncoding() *Refusal {
	r := refuse("", "the position is not UTF-8")
	for i := 1; i < len(s.tape); i++ {
		n := &s.tape[i]
		if n.key != nil && (!utf8.Valid(n.key) || !utf8.Valid(n.raw)) {
			r = refuse(label(n.name), "%s is not UTF-8", label(n.name))
		}
	}
	return r
}

// syntaxError words what the decoder found wrong with the body, and where.
func (s *scanner) syntaxError(err error) *SyntaxError {
	if own, ok := errors.AsType[*SyntaxError](err); ok {
		return own
	}
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok { // io.EOF: nothing but white space
		return &SyntaxError{0, "not JSON: there is nothing in it"}
	}
	detail := "not JSON: " + cause(s.body, syntax)
	if syntax.JSONPointer != "" {
		detail += ", in " + quote(string(syntax.JSONPointer))
	}
	return &SyntaxError{syntax.ByteOffset, detail}
}

func cause(body []byte, err *jsontext.SyntacticError) string {
	rest := body[min(int(err.ByteOffset), len(body)):]
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends in the middle of a value"
	case bytes.HasPrefix(rest, []byte("NaN")):
		return "NaN is no JSON number"
	case bytes.HasPrefix(bytes.TrimPrefix(rest, []byte("-")), []byte("Inf")):
		return "Infinity is no JSON number"
	}
	return err.Err.Error()
}

// showLimit is how many bytes of a publisher's text an error repeats at most.
const showLimit = 40

// showNode shows node i for an error, "missing" where there is none.
func (s *scanner) showNode(i int) string {
	if i == 0 {
		return "missing"
	}
	return show(s.tape[i].raw)
}

// show shows a JSON value for an error: short, and safe to print.
func show(raw []byte) string {
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

// label is a member name as it is put into Refusal.Field.
func label(name []byte) string {
	text := string(name)
	if q := quote(text); strings.Trim(q, `"`) != text {
		return q
	}
	return text
}
