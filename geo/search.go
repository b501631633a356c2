package geo

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Words are the words of a search, folded. No words match everything.
type Words [][]byte

// ParseWords splits a search at white space.
func ParseWords(search string) (words Words) {
	for word := range strings.FieldsSeq(search) {
		if folded := appendFolded(nil, []byte(word)); len(folded) > 0 {
			words = append(words, folded)
		}
	}
	return words
}

// In reports whether a text holds every word, however it is capitalized or accented.
func (w Words) In(text string) bool {
	s := Search{left: slices.Clone(w)}
	s.look([]byte(text), bytes.Contains)
	return len(s.left) == 0
}

// Search finds words in Features. It reuses its memory: one goroutine may use it at a time.
type Search struct {
	words  Words
	left   Words  // not found in this Feature yet
	folded []byte // the text that is looked at
}

// NewSearch returns a search for all of the words.
func NewSearch(words Words) *Search { return &Search{words: words} }

// Match reports whether the properties of a Feature that [Position.AppendFeature] made hold every word: as a
// part of a text, at any depth, or as a whole number, true or false. The vehicle's id is such a text, the
// names of members are none. Numbers count as a whole, since parts of timestamps would match most searches
// for a number.
func (s *Search) Match(feature []byte) bool {
	s.left = append(s.left[:0], s.words...)
	// An id before it cannot hold this text: its quotes are escaped.
	at := bytes.Index(feature, []byte(propertiesStart)) + len(propertiesStart)
	for at < len(feature) && len(s.left) > 0 {
		at = s.matchToken(feature, at)
	}
	return len(s.left) == 0
}

// matchToken looks at the token of compact JSON that begins at an index, and returns the index behind it.
func (s *Search) matchToken(text []byte, at int) (next int) {
	switch text[at] {
	case '{', '}', '[', ']', ',':
		return at + 1
	case '"':
		next = skipString(text, at)
		if text[next] == ':' { // the name of a member
			return next + 1
		}
		s.look(unquote(text[at:next]), bytes.Contains)
		return next
	}
	for next = at; bytes.IndexByte([]byte(",]}"), text[next]) < 0; {
		next++
	}
	s.look(text[at:next], bytes.Equal)
	return next
}

// look crosses off the words that a text matches.
func (s *Search) look(text []byte, matches func(text, word []byte) bool) {
	s.folded = appendFolded(s.folded[:0], text)
	s.left = slices.DeleteFunc(s.left, func(word []byte) bool { return matches(s.folded, word) })
}

// folds are letters that have no decomposition, as people write them without.
var folds = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th", 'ħ': "h", 'ŧ': "t",
	'ı': "i", 'ς': "σ",
}

// appendFolded appends a text without accents and capitals, so that Łódź is lodz.
func appendFolded(dst, text []byte) []byte {
	start := len(dst)
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return appendFoldedRunes(dst[:start], text)
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

func appendFoldedRunes(dst, text []byte) []byte {
	for _, r := range string(norm.NFKD.Bytes(text)) {
		r = unicode.ToLower(r)
		if fold, found := folds[r]; found {
			dst = append(dst, fold...)
		} else if !unicode.Is(unicode.Mn, r) {
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}
