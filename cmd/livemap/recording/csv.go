package recording

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// csvRows reads CSV (RFC 4180) with a header. Each row becomes a position object.
type csvRows struct {
	rows    *csv.Reader
	raw     *rawText
	header  csvHeader
	vehicle string         // of a file without a column for it
	zone    *time.Location // of times that have none; nil: they are refused
	fields  int            // of the last row
	skipped int            // lines before the header
}

// headerLines is how many lines of a file may stand before the one that names the columns: a
// title, a comment, or how many rows there are.
const headerLines = 20

// newCSV reads the header. The vehicle is that of rows without one, the zone that of times without one.
func newCSV(text *bufio.Reader, vehicle string, zone *time.Location) (*csvRows, error) {
	c := &csvRows{vehicle: vehicle, zone: zone}
	var first *csvHeader
	comma := explicitSeparator(text, c)
	for ; c.skipped < headerLines; c.skipped++ {
		line := firstLine(text)
		header, separator := parseHeader(string(line), comma)
		if header.hasPlace() {
			comma, first = separator, &header
			break
		}
		if first == nil && len(bytes.TrimSpace(line)) > 0 {
			first = &header
		}
		if n, _ := text.Discard(len(line) + 1); n <= len(line) {
			break // the end of the file
		}
	}
	if first == nil {
		first = &csvHeader{}
	}
	c.header = *first
	if err := c.header.check(); err != nil {
		return nil, err
	}
	c.raw = &rawText{in: text, line: 1}
	c.rows = csv.NewReader(c.raw)
	c.rows.Comma = comma
	c.rows.TrimLeadingSpace = comma != '\t'
	c.rows.FieldsPerRecord = -1
	c.rows.ReuseRecord = true
	if _, err := c.rows.Read(); err != nil {
		return nil, errors.New("cannot read its CSV header: " + inWords(err))
	}
	return c, nil
}

// explicitSeparator reads a first line such as "sep=;", with which Excel says what separates
// columns. It returns 0 without one.
func explicitSeparator(text *bufio.Reader, c *csvRows) rune {
	line := firstLine(text)
	value, found := bytes.CutPrefix(bytes.ToLower(bytes.Trim(line, "\" \r")), []byte("sep="))
	if separator, size := utf8.DecodeRune(value); found && size == len(value) && size > 0 {
		text.Discard(len(line) + 1)
		c.skipped++
		return separator
	}
	return 0
}

// parseHeader interprets a line as the names of columns. Without a given separator that one of
// commas, semicolons, tabs and vertical bars separates them which yields most columns that say where a
// vehicle is, otherwise most columns.
func parseHeader(line string, separator rune) (csvHeader, rune) {
	if separator != 0 {
		return newHeader(splitHeader(line, separator)), separator
	}
	var best csvHeader
	for _, r := range ",;\t|" {
		h := newHeader(splitHeader(line, r))
		more := len(h.columns) > len(best.columns)
		if separator == 0 || h.hasPlace() && !best.hasPlace() || h.hasPlace() == best.hasPlace() && more {
			best, separator = h, r
		}
	}
	return best, separator
}

func splitHeader(line string, separator rune) []string {
	r := csv.NewReader(strings.NewReader(line))
	r.Comma = separator
	r.LazyQuotes = true
	names, _ := r.Read()
	return names
}

func (c *csvRows) read() (Record, error) {
	row, err := c.rows.Read()
	if syntax, ok := errors.AsType[*csv.ParseError](err); ok {
		c.raw.discard(c.rows.InputOffset())
		return Record{Line: c.skipped + syntax.StartLine, Refused: "not CSV: " + syntax.Err.Error()}, nil
	}
	if err != nil {
		return Record{}, err
	}
	line, _ := c.rows.FieldPos(0)
	rec := Record{Line: c.skipped + line}
	c.fields = len(row)
	columns := len(c.header.columns)
	switch row = padded(row, c.header.columns); {
	case len(row) != columns:
		rec.Refused = fmt.Sprintf("it has %d fields, the header has %d", len(row), columns)
	case !utf8.ValidString(strings.Join(row, "")):
		rec.Refused = notText
	default:
		if rec.Body, rec.Refused = c.position(row); rec.Refused != "" {
			rec.Body = nil
		}
	}
	c.raw.discard(c.rows.InputOffset())
	return rec, nil
}

func (c *csvRows) found() string { return "there is nothing below the names of its columns" }

// padded returns the row with as many fields as there are columns, where only fields without a
// name or value are missing or too many: some programs end only the header, or only the rows, with
// a separator.
func padded(row []string, columns []column) []string {
	for len(row) > len(columns) && row[len(row)-1] == "" {
		row = row[:len(row)-1]
	}
	for len(row) < len(columns) && columns[len(row)].name == "" {
		row = append(row, "")
	}
	return row
}

// rawText keeps the text of a row for as long as the row is read. The csv package tells where a
// field begins, but not whether it was quoted.
type rawText struct {
	in    *bufio.Reader
	text  []byte
	start int64 // where text begins in the file
	line  int   // number of the line at which text begins
}

func (r *rawText) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	r.text = append(r.text, p[:n]...)
	return n, err
}

// discard forgets what is before an offset.
func (r *rawText) discard(offset int64) {
	n := int(offset - r.start)
	r.line += bytes.Count(r.text[:n], []byte{'\n'})
	r.text = append(r.text[:0], r.text[n:]...)
	r.start = offset
}

// at returns the byte in a column of a line, both from 1.
func (r *rawText) at(line, column int) byte {
	text := r.text
	for range line - r.line {
		_, text, _ = bytes.Cut(text, []byte{'\n'})
	}
	if column > len(text) {
		return 0
	}
	return text[column-1]
}

// quoted reports whether the field of the last row stands in quotes.
func (c *csvRows) quoted(field int) bool {
	if field >= c.fields {
		return false
	}
	return c.raw.at(c.rows.FieldPos(field)) == '"'
}
