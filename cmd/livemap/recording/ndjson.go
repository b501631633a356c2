package recording

import (
	"bufio"
	"bytes"
)

// lineLimit bounds the memory for one line, in bytes. It is far above the hub's own limit: the
// hub rejects what is between them.
const lineLimit = 1 << 20

// ndjson reads one position object or Feature per line, valid or not.
type ndjson struct {
	in   *bufio.Reader
	line int
}

func (n *ndjson) read() (Record, error) {
	for {
		n.line++
		text, whole, err := n.readLine()
		text = bytes.Trim(text, " \t\r\n\x1e")
		switch {
		case !whole:
			return Record{Line: n.line, Refused: "the line is longer than 1 MiB"}, nil
		case len(text) > 0:
			return Record{Line: n.line, Body: text}, nil
		case err != nil:
			return Record{Line: n.line}, err
		}
	}
}

func (n *ndjson) found() string { return "" }

// readLine returns the next line in memory of its own. It skips a line that is too long, which
// is not whole.
func (n *ndjson) readLine() (line []byte, whole bool, err error) {
	whole = true
	for {
		part, err := n.in.ReadSlice('\n')
		if len(line)+len(part) > lineLimit {
			line, part, whole = nil, nil, false
		}
		if whole {
			line = append(line, part...)
		}
		if err != bufio.ErrBufferFull {
			return line, whole, err
		}
	}
}
