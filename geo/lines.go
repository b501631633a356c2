package geo

import (
	"bytes"
	"strings"
)

// The line breaks that Unicode has beyond ASCII (Unicode Standard Annex 14).
const (
	nextLine           = "\u0085"
	lineSeparator      = "\u2028"
	paragraphSeparator = "\u2029"
)

var lineBreaks = strings.NewReplacer(
	nextLine, `\u0085`, lineSeparator, `\u2028`, paragraphSeparator, `\u2029`)

// EscapeLineBreaks escapes U+0085, U+2028 and U+2029 in JSON text. JSON allows them in its strings (RFC
// 8259, section 7), and in event streams they end no line, but in many programs that read text by lines
// they do. It returns text itself when it has none.
func EscapeLineBreaks(text []byte) []byte {
	// Hardly any text has their first bytes.
	mayHave := bytes.IndexByte(text, nextLine[0]) >= 0 && bytes.Contains(text, []byte(nextLine)) ||
		bytes.IndexByte(text, lineSeparator[0]) >= 0 &&
			(bytes.Contains(text, []byte(lineSeparator)) || bytes.Contains(text, []byte(paragraphSeparator)))
	if !mayHave {
		return text
	}
	return []byte(lineBreaks.Replace(string(text)))
}
