package jetstream

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/highwayhash"

	"livemap/stream"
)

// Files are the messages of a journal as JetStream keeps them in a directory. They are read without a server,
// which would mend what it finds. A hub may write to them meanwhile.
type Files struct {
	Dir      string // that of [Config]
	Epoch    string
	Created  time.Time
	MaxBytes int64         // -1: no limit
	MaxAge   time.Duration // 0: no limit
	Replicas int

	blocks string // directory of the blocks
}

// streamDir is where JetStream keeps the stream, in its own directory.
var streamDir = filepath.Join(account, "streams", streamName)

// BlocksDir is where the blocks of messages are, in the directory of a journal.
var BlocksDir = filepath.Join(storeName, streamDir, "msgs")

// OpenFiles reads what the journal of a directory is.
func OpenFiles(dir string) (*Files, error) { return openFiles(dir, filepath.Join(dir, storeName)) }

// Files reads what the old journal was. It may be damaged.
func (r *Renewal) Files() (*Files, error) { return openFiles(filepath.Dir(r.Kept), r.Kept) }

// openFiles reads what the journal of a directory is that is in a directory of JetStream.
func openFiles(dir, store string) (*Files, error) {
	text, err := os.ReadFile(filepath.Join(store, streamDir, "meta.inf"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no journal: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	var meta struct {
		Created  time.Time         `json:"created"`
		MaxBytes int64             `json:"max_bytes"`
		MaxAge   time.Duration     `json:"max_age"`
		Replicas int               `json:"num_replicas"`
		Metadata map[string]string `json:"metadata"`
	}
	if err := json.Unmarshal(text, &meta); err != nil {
		return nil, fmt.Errorf("what the journal in %s is cannot be read: %w", dir, err)
	}
	if err := checkFormat(meta.Metadata); err != nil {
		return nil, fmt.Errorf("journal in %s: %w", dir, err)
	}
	return &Files{dir, meta.Metadata[metaEpoch], meta.Created, meta.MaxBytes, meta.MaxAge, meta.Replicas,
		filepath.Join(store, streamDir, "msgs")}, nil
}

// Acknowledged returns the newest message of which the hub has noted that it was acknowledged; 0: unknown.
// The note may be some messages behind.
func (f *Files) Acknowledged() uint64 {
	text, _ := os.ReadFile(filepath.Join(f.Dir, endName))
	end, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return end
}

// Node returns the name of the hub in its cluster, "" for a hub alone.
func (f *Files) Node() string {
	var last mark
	text, _ := os.ReadFile(filepath.Join(f.Dir, markName))
	json.Unmarshal(text, &last) //nolint:errcheck // then there is none
	return last.Node
}

// Blocks returns the paths of the files that hold the messages, in their order, and their size in bytes.
func (f *Files) Blocks() (paths []string, size int64, err error) {
	entries, err := os.ReadDir(f.blocks)
	if err != nil {
		return nil, 0, err
	}
	for _, entry := range entries {
		if _, err := blockIndex(entry.Name()); err != nil {
			continue
		}
		if info, err := entry.Info(); err == nil {
			size += info.Size()
		}
		paths = append(paths, filepath.Join(f.blocks, entry.Name()))
	}
	slices.SortFunc(paths, func(a, b string) int {
		m, _ := blockIndex(filepath.Base(a))
		n, _ := blockIndex(filepath.Base(b))
		return m - n
	})
	return paths, size, nil
}

func blockIndex(name string) (int, error) {
	number, found := strings.CutSuffix(name, ".blk")
	if !found {
		return 0, errors.New("no block")
	}
	return strconv.Atoi(number)
}

// DamagedError says which bytes of a journal cannot be read.
type DamagedError struct {
	File   string
	Offset int // bytes
	Reason string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %s", e.File, e.Offset, e.Reason)
}

// Read calls do for each message in order. A message is valid until do returns. The error is a
// [*DamagedError] where a message is damaged or missing. What a killed hub left unfinished at the end is
// passed over.
func (f *Files) Read(do func(at stream.Place, message []byte) error) error {
	paths, _, err := f.Blocks()
	if err != nil {
		return err
	}
	r := blockReader{do: do}
	for i, path := range paths {
		block, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) && r.last == 0 {
			continue // the oldest was removed to make room
		}
		if err != nil {
			return err
		}
		if err := r.read(path, block, i == len(paths)-1); err != nil {
			return err
		}
	}
	return nil
}

// Parts of a record of a block, in bytes: its length with all of it (uint32), its seq (uint64), when it was
// stored (int64, Unix nanoseconds), the length of the subject (uint16), subject, message, checksum.
const (
	recordHead = 4 + 8 + 8 + 2
	recordSum  = 8

	recordHeaders   = 1 << 31 // in the length: a message with headers, of which a journal has none
	recordErased    = 1 << 63 // in the seq: no message
	recordTombstone = 1 << 62 // in the seq: notes that a message was removed
)

// blockReader reads blocks one after the other.
type blockReader struct {
	do   func(at stream.Place, message []byte) error
	last uint64
}

func (r *blockReader) read(path string, block []byte, newest bool) error {
	index, _ := blockIndex(filepath.Base(path))
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", streamName, index))
	sum, err := highwayhash.New64(key[:])
	if err != nil {
		return err
	}
	for at := 0; at < len(block); {
		rest := block[at:]
		damaged := func(reason string, args ...any) error {
			return &DamagedError{path, at, fmt.Sprintf(reason, args...)}
		}
		size := recordHead
		if len(rest) >= recordHead {
			size = int(binary.LittleEndian.Uint32(rest))
		}
		if len(rest) < size && newest && bytes.Count(rest, []byte(subject)) <= 1 {
			return nil // a hub was killed while it wrote; with more to come, the length is damaged
		}
		if len(rest) < size || size < recordHead+recordSum || size&recordHeaders != 0 {
			return damaged("after message %d there is no message", r.last)
		}
		subjectEnd := recordHead + int(binary.LittleEndian.Uint16(rest[20:]))
		if subjectEnd > size-recordSum {
			return damaged("after message %d there is no message", r.last)
		}
		sum.Reset()
		sum.Write(rest[4:20])
		sum.Write(rest[recordHead:subjectEnd])
		sum.Write(rest[subjectEnd : size-recordSum])
		seq := binary.LittleEndian.Uint64(rest[4:])
		if !bytes.Equal(sum.Sum(nil), rest[size-recordSum:size]) {
			return damaged("message %d has a wrong checksum", r.last+1)
		}
		at += size
		if seq&(recordErased|recordTombstone) != 0 || seq == 0 {
			continue
		}
		if r.last > 0 && seq != r.last+1 {
			return damaged("message %d follows message %d", seq, r.last)
		}
		if string(rest[recordHead:subjectEnd]) != subject {
			return damaged("message %d is not of a hub", seq)
		}
		r.last = seq
		place := stream.Place{Seq: seq, At: time.Unix(0, int64(binary.LittleEndian.Uint64(rest[12:]))).UTC()}
		if err := r.do(place, rest[subjectEnd:size-recordSum]); err != nil {
			return fmt.Errorf("%s, message %d: %w", path, seq, err)
		}
	}
	return nil
}
