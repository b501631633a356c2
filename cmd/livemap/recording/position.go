package recording

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// positionObject writes a position object, member by member.
type positionObject struct{ body []byte }

// raw adds a member whose value is already JSON.
func (p *positionObject) raw(member, value string) {
	lead := byte(',')
	if len(p.body) == 0 {
		lead = '{'
	}
	p.body = append(append(p.body, lead), quoteJSON(member)...)
	p.body = append(append(p.body, ':'), value...)
}

func (p *positionObject) text(member, value string) { p.raw(member, quoteJSON(value)) }

// number adds a number in any decimal notation. Other text stays text: the hub rejects it. Devices
// write a speed or heading below 0 where they know none.
func (p *positionObject) number(member, text string) {
	text = strings.TrimSpace(text)
	if (member == "speed_kmh" || member == "heading") && belowZero(text) {
		return
	}
	if json.Valid([]byte(text)) && isDigit(text[len(text)-1]) {
		p.raw(member, text)
		return
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil && strings.Trim(text, "+-.0123456789eE") == "" {
		p.raw(member, strconv.FormatFloat(v, 'f', -1, 64))
		return
	}
	p.text(member, text)
}

func belowZero(text string) bool {
	v, err := strconv.ParseFloat(text, 64)
	return err == nil && v < 0
}

// topics adds ids that semicolons separate.
func (p *positionObject) topics(text string) {
	var ids []string
	for id := range strings.SplitSeq(text, ";") {
		if id = strings.TrimSpace(id); id != "" {
			ids = append(ids, quoteJSON(id))
		}
	}
	p.raw("topics", "["+strings.Join(ids, ",")+"]")
}

func (p *positionObject) end() []byte {
	if len(p.body) == 0 {
		return []byte("{}")
	}
	return append(p.body, '}')
}

func quoteJSON(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(text) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// scaled multiplies a number, to a thousandth. Other text stays as it is.
func scaled(text string, factor float64) string {
	if factor == 1 {
		return text
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return text
	}
	return strconv.FormatFloat(math.Round(v*factor*1000)/1000, 'f', -1, 64)
}
