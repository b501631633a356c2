package recording

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// csvSynonyms are column names that stand for a member without a column of its own name. The
// first that is there counts. Names that leave the unit open (speed, alt) are not among them:
// such a column is published under its own name.
var csvSynonyms = map[string][]string{
	"vehicle_id": {"id"},
	"lat":        {"latitude"},
	"lon":        {"lng", "longitude"},
	"timestamp":  {"time"},
	"heading":    {"course"},
}

// csvMembers are the members that a column fills, and whether they are numbers.
var csvMembers = map[string]bool{
	"vehicle_id": false, "lat": true, "lon": true, "timestamp": true, "speed_kmh": true,
	"heading": true, "altitude": true, "accuracy": true, "topics": false,
}

// csvRows reads CSV (RFC 4180) with a header. Each row becomes a position object.
type csvRows struct {
	rows    *csv.Reader
	columns []string // the member that each column is published as
}

// newCSV reads the header. Commas separate the columns; in a header without a comma semicolons
// or tabs do.
func newCSV(text *bufio.Reader) (*csvRows, error) {
	rows := csv.NewReader(text)
	rows.Comma = separator(text)
	rows.FieldsPerRecord = -1
	rows.ReuseRecord = true
	header, err := rows.Read()
	if err != nil && err != io.EOF {
		return nil, errors.New("cannot read its CSV header: " + inWords(err))
	}
	c := &csvRows{rows: rows, columns: members(header)}
	return c, c.check()
}

func separator(text *bufio.Reader) rune {
	header := firstLine(text)
	for _, r := range ",;\t" {
		if bytes.ContainsRune(header, r) {
			return r
		}
	}
	return ','
}

// firstLine peeks at the first line. One that is longer than the buffer is cut.
func firstLine(text *bufio.Reader) []byte {
	for n := 1; ; n = text.Buffered() + 1 {
		start, err := text.Peek(n)
		start, _ = text.Peek(text.Buffered())
		if line, _, found := bytes.Cut(start, []byte{'\n'}); found || err != nil {
			return line
		}
	}
}

// members maps the names in the header to those of members, without regard to case. All other
// columns keep their names.
func members(header []string) []string {
	columns := make([]string, len(header))
	for i, name := range header {
		columns[i] = strings.TrimSpace(name)
		if _, ok := csvMembers[strings.ToLower(columns[i])]; ok {
			columns[i] = strings.ToLower(columns[i])
		}
	}
	for member, synonyms := range csvSynonyms {
		for _, synonym := range synonyms {
			i := slices.IndexFunc(columns, func(c string) bool { return strings.EqualFold(c, synonym) })
			if i >= 0 && !slices.Contains(columns, member) {
				columns[i] = member
			}
		}
	}
	return columns
}

// check rejects a header that lacks a required column or names one twice.
func (c *csvRows) check() error {
	for _, required := range []string{"vehicle_id", "lat", "lon"} {
		if !slices.Contains(c.columns, required) {
			return fmt.Errorf("it has no column %s; replay reads NDJSON, GPX, and CSV whose first line "+
				"names the columns vehicle_id (or id), lat (latitude), lon (lng, longitude), and optionally "+
				"timestamp (time), speed_kmh, heading (course), altitude, accuracy, topics", required)
		}
	}
	for i, name := range c.columns {
		if name != "" && slices.Contains(c.columns[:i], name) {
			return fmt.Errorf("it has two columns %s", name)
		}
	}
	return nil
}

func (c *csvRows) read() (Record, error) {
	row, err := c.rows.Read()
	if syntax, ok := errors.AsType[*csv.ParseError](err); ok {
		return Record{Line: syntax.StartLine, Refused: "not CSV: " + syntax.Err.Error()}, nil
	}
	if err != nil {
		return Record{}, err
	}
	rec := Record{}
	rec.Line, _ = c.rows.FieldPos(0)
	switch {
	case len(row) != len(c.columns):
		rec.Refused = fmt.Sprintf("it has %d fields, the header has %d", len(row), len(c.columns))
	case !utf8.ValidString(strings.Join(row, "")):
		rec.Refused = notText
	default:
		rec.Body = c.position(row)
	}
	return rec, nil
}

// position converts a row to a position object, without members for empty fields. Invalid
// values stay in it: the hub rejects them.
func (c *csvRows) position(row []string) []byte {
	var p positionObject
	for i, text := range row {
		member := c.columns[i]
		number, known := csvMembers[member]
		switch {
		case text == "" || member == "":
		case member == "topics":
			p.topics(text)
		case number:
			p.number(member, text)
		case known || !json.Valid([]byte(text)) || !isDigit(text[len(text)-1]):
			p.text(member, text)
		default: // an extra member that is a valid JSON number
			p.raw(member, text)
		}
	}
	return p.end()
}

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

// number adds a number in any decimal notation. Other text stays text: the hub rejects it.
func (p *positionObject) number(member, text string) {
	text = strings.TrimSpace(text)
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
