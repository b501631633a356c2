package geo

// This file has the grammar of JSON (RFC 8259) without UTF-8, which the scanner checks per item. Each
// function gets the index where a piece of b begins and returns the index behind it, or broken if b is
// malformed there. syntaxError then finds the words.

const broken = -1

// byteOrderMark is U+FEFF in UTF-8, which some programs write at the start of a text.
const byteOrderMark = "\ufeff"

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

func skipString(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return broken
	}
	for i = skipPlain(b, i+1); i < len(b) && b[i] == '\\'; i = skipPlain(b, i+1) {
		if i = skipEscape(b, i+1); i == broken {
			return broken
		}
	}
	if i == len(b) || b[i] != '"' {
		return broken
	}
	return i + 1
}

// skipPlain skips the unescaped characters of a string.
func skipPlain(b []byte, i int) int {
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// skipEscape returns the index of the last byte of an escape, not the one behind it.
func skipEscape(b []byte, i int) int {
	if i >= len(b) {
		return broken
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i
	case 'u':
		const digits = 4
		for range digits {
			if i++; i >= len(b) || !isHex(b[i]) {
				return broken
			}
		}
		return i
	}
	return broken
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func skipNumber(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = skipDigits(b, i); i == broken {
		return broken
	}
	if i < len(b) && b[i] == '.' {
		if i = skipDigits(b, i+1); i == broken {
			return broken
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		return skipExponent(b, i+1)
	}
	return i
}

func skipExponent(b []byte, i int) int {
	if i < len(b) && (b[i] == '+' || b[i] == '-') {
		i++
	}
	return skipDigits(b, i)
}

// skipDigits skips one digit or more.
func skipDigits(b []byte, i int) int {
	start := i
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	if i == start {
		return broken
	}
	return i
}

func skipLiteral(b []byte, i int, literal string) int {
	if len(b)-i < len(literal) || string(b[i:i+len(literal)]) != literal {
		return broken
	}
	return i + len(literal)
}
