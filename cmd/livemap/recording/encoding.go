package recording

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
	"golang.org/x/text/transform"
)

// byteOrderMarks are the first bytes of files in other encodings of Unicode than UTF-8. The mark
// of UTF-32 begins with that of UTF-16.
var byteOrderMarks = []struct {
	mark     string
	encoding encoding.Encoding
}{
	{"\xff\xfe\x00\x00", utf32.UTF32(utf32.LittleEndian, utf32.ExpectBOM)},
	{"\x00\x00\xfe\xff", utf32.UTF32(utf32.BigEndian, utf32.ExpectBOM)},
	{"\xff\xfe", unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM)},
	{"\xfe\xff", unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM)},
}

// declaredEncoding finds the encoding that an XML declaration names (XML 1.0, section 4.3.3).
var declaredEncoding = regexp.MustCompile(`^\s*<\?xml[^>]*\sencoding\s*=\s*["']([^"'>]*)["']`)

// declarationLimit is how many bytes of a file are searched for an XML declaration.
const declarationLimit = 256

// decoded returns the text of a file in UTF-8. Its encoding is that of a byte order mark, UTF-16
// whose first characters are ASCII, or that of an XML declaration. Other text is UTF-8, except
// for bytes that are not: those are read as windows-1252, as Windows programs write.
//
// It returns an error for a declared encoding that it does not know.
func decoded(text *bufio.Reader) (*bufio.Reader, error) {
	start, _ := text.Peek(4)
	if string(start[:min(3, len(start))]) == "\ufeff" {
		text.Discard(3)
		return convert(text, utf8OrWindows{}), nil
	}
	for _, b := range byteOrderMarks {
		if bytes.HasPrefix(start, []byte(b.mark)) {
			return convert(text, b.encoding.NewDecoder()), nil
		}
	}
	if len(start) >= 2 && start[0] != 0 && start[1] == 0 {
		return convert(text, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewDecoder()), nil
	}
	if len(start) >= 2 && start[0] == 0 && start[1] != 0 {
		return convert(text, unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM).NewDecoder()), nil
	}
	if start := bytes.TrimLeft(start, " \t\r\n"); len(start) > 0 && start[0] == '<' {
		return decodedXML(text)
	}
	return convert(text, utf8OrWindows{}), nil
}

// decodedXML is decoded for a file that may have an XML declaration.
func decodedXML(text *bufio.Reader) (*bufio.Reader, error) {
	start, _ := text.Peek(declarationLimit)
	declared := declaredEncoding.FindSubmatch(start)
	if declared == nil {
		return convert(text, utf8OrWindows{}), nil
	}
	name := string(declared[1])
	// A file in 8-bit characters is not what a declaration of UTF-16 says: its first bytes prove it.
	if strings.HasPrefix(strings.ToLower(name), "utf-") {
		return convert(text, utf8OrWindows{}), nil
	}
	e, err := htmlindex.Get(strings.TrimSpace(name))
	if err != nil {
		return nil, fmt.Errorf("its encoding is %s, which replay does not know; save it as UTF-8",
			strconv.Quote(name))
	}
	return convert(text, e.NewDecoder()), nil
}

func convert(text io.Reader, by transform.Transformer) *bufio.Reader {
	return bufio.NewReaderSize(transform.NewReader(text, by), bufferSize)
}

// utf8OrWindows passes UTF-8, and reads all other bytes as windows-1252. It leaves the five bytes
// that have no meaning there as they are.
type utf8OrWindows struct{ transform.NopResetter }

func (utf8OrWindows) Transform(dst, src []byte, atEOF bool) (written, read int, err error) {
	for read < len(src) {
		_, size := utf8.DecodeRune(src[read:])
		character := src[read : read+size]
		if size == 1 && character[0] >= utf8.RuneSelf {
			if !atEOF && !utf8.FullRune(src[read:]) {
				return written, read, transform.ErrShortSrc
			}
			character = windowsCharacter(character)
		}
		if written+len(character) > len(dst) {
			return written, read, transform.ErrShortDst
		}
		written += copy(dst[written:], character)
		read += size
	}
	return written, read, nil
}

func windowsCharacter(b []byte) []byte {
	r := charmap.Windows1252.DecodeByte(b[0])
	if r == utf8.RuneError {
		return b
	}
	return []byte(string(r))
}
