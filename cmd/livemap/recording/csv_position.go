package recording

import (
	"regexp"
	"strconv"
	"strings"
)

// position converts a row to a position object, without members for empty fields. Invalid
// values stay in it: the hub rejects them. It refuses a time without a zone itself: it knows how
// CSV says what is missing.
func (c *csvRows) position(row []string) (body []byte, refused string) {
	r := csvRow{file: c, fields: row}
	r.commas = strings.Contains(r.field("lat"), ",") || strings.Contains(r.field("lon"), ",")
	if c.header.find("vehicle_id") < 0 {
		r.text("vehicle_id", c.vehicle)
	}
	for i, text := range row {
		if text = strings.Trim(text, "\x00"); text != "" {
			r.add(i, text)
		}
	}
	return r.end(), r.refused
}

// csvRow is a row on its way to a position object.
type csvRow struct {
	file   *csvRows
	fields []string
	commas bool // decimal commas, as in its coordinates

	refused string // why the row cannot be read
	positionObject
}

// field returns the value of a member, or "" without a column for it.
func (r *csvRow) field(member string) string {
	if i := r.file.header.find(member); i >= 0 {
		return strings.Trim(r.fields[i], " \x00")
	}
	return ""
}

// add adds the value of a column.
func (r *csvRow) add(i int, text string) {
	column := r.file.header.columns[i]
	text, guarded := unguarded(text)
	switch name := column.member; name {
	case "", northSouthPart, eastWestPart:
	case "lat":
		r.number(name, signed(r.decimal(text), r.field(northSouthPart)))
	case "lon":
		r.number(name, signed(r.decimal(text), r.field(eastWestPart)))
	case "vehicle_id":
		r.text(name, strings.TrimSpace(text))
	case "topics":
		r.topics(text)
	case "timestamp":
		r.timestamp(strings.TrimSpace(text))
	case datePart:
		if !timeOfDay.MatchString(r.field("timestamp")) {
			r.text(column.name, text)
		}
	default:
		number, factor := withoutUnit(r.decimal(text), column.units)
		switch {
		case factor != 0 && column.factor == 0: // a speed whose column does not say its unit
			r.number("speed_kmh", scaled(number, factor))
		case factor != 0:
			r.number(name, scaled(number, factor))
		case column.factor != 0:
			r.number(name, scaled(number, column.factor))
		case guarded: // a text, if of digits
			r.text(name, text)
		default:
			r.other(i, text)
		}
	}
}

var numberAndUnit = regexp.MustCompile(`^([-+.0-9]+) *([^-+.0-9 ]+)$`)

// withoutUnit splits a value such as 15.9 km/h. factor is that of its unit, or 0 without one of units.
func withoutUnit(text string, units map[string]float64) (number string, factor float64) {
	if parts := numberAndUnit.FindStringSubmatch(strings.TrimSpace(text)); parts != nil {
		if factor = units[strings.ToLower(parts[2])]; factor != 0 {
			return parts[1], factor
		}
	}
	return text, 0
}

// other adds a value that the hub does not know. It is a number only where that keeps its text:
// not a code such as 007, 1e5 or a number of 19 digits, nor what stands in quotes.
func (r *csvRow) other(i int, text string) {
	name := r.file.header.columns[i].member
	if number := r.decimal(text); exactNumber(number) && !r.file.quoted(i) {
		r.raw(name, number)
		return
	}
	r.text(name, text)
}

// guard is an apostrophe, or several, before what a spreadsheet would take for a formula.
var guard = regexp.MustCompile(`^'+[=+\-@\t\r]`)

// unguarded takes off an apostrophe that keeps spreadsheets from computing a text: the map's export
// writes '=1+1, and ”=1+1 for a text that has an apostrophe of its own.
func unguarded(text string) (plain string, guarded bool) {
	if guard.MatchString(text) {
		return text[1:], true
	}
	return text, false
}

// exactDigits is how many decimal digits a float64 holds, as programs read JSON.
const exactDigits = 15

var decimalNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)

func exactNumber(text string) bool {
	digits := len(text) - strings.Count(text, ".") - strings.Count(text, "-")
	return digits <= exactDigits && decimalNumber.MatchString(text)
}

// decimal returns a number with a decimal point, if the row has decimal commas.
func (r *csvRow) decimal(text string) string {
	if r.commas && strings.Count(text, ",") == 1 && !strings.Contains(text, ".") {
		return strings.Replace(text, ",", ".", 1)
	}
	return text
}

// signed returns a coordinate with a sign in place of the letter before or behind it, or of the
// one in a column of its own.
func signed(text, letter string) string {
	text = strings.TrimSpace(text)
	bare := strings.TrimSpace(strings.Trim(text, "NSEWnsew"))
	if letter == "" {
		letter = strings.TrimSpace(strings.Replace(text, bare, "", 1))
	}
	_, err := strconv.ParseFloat(bare, 64)
	switch letter = strings.ToUpper(letter); {
	case err == nil && (letter == "N" || letter == "E"):
		return bare
	case err == nil && (letter == "S" || letter == "W"):
		return "-" + strings.TrimPrefix(bare, "-")
	}
	return text
}
