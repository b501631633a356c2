package jetstream

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The server keeps messages in files that are named by rising numbers. In a file they stand one behind the
// other, each with a head: its length with the head, of which the highest bit is a flag; its seq, of which
// the two highest bits are flags; its time, and the length of its subject.
const (
	blockHead   = 4 + 8 + 8 + 2
	blockSuffix = ".blk"
	// maxBlockGap is how far two seqs in a file may be apart. Nothing but the oldest messages is ever removed.
	maxBlockGap = 1 << 20
	// maxChecked is how many bytes of the newest messages are looked at, which takes a second at most.
	maxChecked = 1 << 30
)

// messagesDir is where the server keeps the messages, in the directory of the journal.
var messagesDir = filepath.Join(storeName, account, "streams", streamName, "msgs")

// damagedBlock looks for two seqs side by side that are far apart, among the newest messages. The server
// notes each seq between two as deleted, without a look at the checksum, and so would never start. It
// returns what is damaged, "" if nothing is.
func (j *Journal) damagedBlock() (reason string) {
	files, err := os.ReadDir(filepath.Join(j.config.Dir, messagesDir))
	if err != nil {
		return "" // there is none, or the server tells
	}
	files = slices.DeleteFunc(files, func(f os.DirEntry) bool {
		return !strings.HasSuffix(f.Name(), blockSuffix)
	})
	slices.SortFunc(files, func(a, b os.DirEntry) int { return blockNumber(b) - blockNumber(a) })
	checked := int64(0)
	for _, f := range files {
		name := filepath.Join(messagesDir, f.Name())
		before, after, size := checkBlock(filepath.Join(j.config.Dir, name))
		if before != after {
			return fmt.Sprintf("%s is damaged: message %d stands before message %d", name, before, after)
		}
		if checked += size; checked > maxChecked {
			break
		}
	}
	return ""
}

func blockNumber(f os.DirEntry) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(f.Name(), blockSuffix))
	return n
}

// checkBlock returns two seqs side by side that are far apart, and equal ones where there are none. It stops
// at a head that cannot be one: the server finds that out by itself.
func checkBlock(path string) (before, after uint64, size int64) {
	file, err := os.Open(path)
	if err != nil {
		return 0, 0, 0
	}
	defer file.Close()
	in, last := bufio.NewReaderSize(file, 1<<20), uint64(0)
	for {
		var head [blockHead]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return 0, 0, size
		}
		length := int(binary.LittleEndian.Uint32(head[:]) &^ (1 << 31))
		seq := binary.LittleEndian.Uint64(head[4:])
		if tombstone := seq&(1<<62) != 0; !tombstone {
			seq &^= 1 << 63
			if apart := max(seq, last) - min(seq, last); last > 0 && seq > 0 && apart > maxBlockGap {
				return last, seq, size
			}
			last = seq
		}
		if length < blockHead {
			return 0, 0, size
		}
		if _, err := in.Discard(length - blockHead); err != nil {
			return 0, 0, size
		}
		size += int64(length)
	}
}
