package streets

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// archive is a PMTiles archive (PMTiles specification, version 3).
type archive struct {
	content string
	header  header
}

// header is the archive's header (section 3). Offsets and lengths are in bytes.
type header struct {
	Magic               [7]byte
	Version             uint8
	RootAt, RootLength  uint64
	MetaAt, MetaLength  uint64
	LeafAt, LeafLength  uint64
	TilesAt, TileLength uint64
	Counts              [3]uint64
	Clustered           uint8
	InternalCompression uint8
	TileCompression     uint8
	TileType            uint8
	MinZoom, MaxZoom    uint8
}

const (
	noCompression, gzipCompression = 1, 2
	vectorTiles                    = 1

	// maxInflated bounds a directory or a tile, in bytes: a small file may inflate to anything.
	maxInflated = 64 << 20
	// maxDepth bounds how many leaf directories lead to a tile.
	maxDepth = 4
)

func openArchive(content string) (*archive, error) {
	a := &archive{content: content}
	if err := binary.Read(strings.NewReader(content), binary.LittleEndian, &a.header); err != nil {
		return nil, errors.New("not a PMTiles archive: it has no header")
	}
	switch h := &a.header; {
	case string(h.Magic[:]) != "PMTiles" || h.Version != 3:
		return nil, errors.New("not a PMTiles archive of version 3")
	case h.TileType != vectorTiles:
		return nil, fmt.Errorf("a PMTiles archive with tiles of type %d; they must be vector tiles (MVT)",
			h.TileType)
	}
	return a, nil
}

// tile is the place of a tile: its zoom, and its column and row from the north-west corner.
type tile struct {
	zoom uint8
	x, y uint32
}

// eachTile calls do with every tile of a zoom.
func (a *archive) eachTile(zoom uint8, do func(at tile, content []byte) error) error {
	return a.walk(a.header.RootAt, a.header.RootLength, maxDepth, func(e entry) error {
		for i := range e.run {
			at, ok := place(e.id+i, zoom)
			if !ok {
				continue
			}
			content, err := a.read(a.header.TilesAt, e.offset, e.length, a.header.TileCompression)
			if err == nil {
				err = do(at, content)
			}
			if err != nil {
				return fmt.Errorf("tile %d/%d/%d: %w", at.zoom, at.x, at.y, err)
			}
		}
		return nil
	})
}

// entry is an entry of a directory (section 4.1). Of a leaf directory run is 0.
type entry struct{ id, run, length, offset uint64 }

// walk calls do with the entries of a directory and of its leaf directories.
func (a *archive) walk(offset, length uint64, depth int, do func(entry) error) error {
	packed, err := a.read(0, offset, length, a.header.InternalCompression)
	if err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	entries, err := parseDirectory(packed)
	if err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	for _, e := range entries {
		switch {
		case e.run > 0:
			err = do(e)
		case depth == 0:
			err = errors.New("directory: too deep")
		default:
			err = a.walk(a.header.LeafAt+e.offset, e.length, depth-1, do)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parseDirectory parses a directory (section 4.2): columns of varints.
func parseDirectory(b []byte) ([]entry, error) {
	bad := false
	next := func() uint64 {
		value, n := binary.Uvarint(b)
		if n <= 0 {
			bad = true
			return 0
		}
		b = b[n:]
		return value
	}
	count := next()
	if count > uint64(len(b)) { // an entry takes four bytes or more
		return nil, errors.New("truncated")
	}
	entries := make([]entry, count)
	id := uint64(0)
	for i := range entries {
		id += next()
		entries[i].id = id
	}
	for i := range entries {
		entries[i].run = next()
	}
	for i := range entries {
		entries[i].length = next()
	}
	for i := range entries {
		entries[i].offset = next() - 1
		if entries[i].offset == ^uint64(0) { // 0 follows the entry before
			if i == 0 {
				return nil, errors.New("the first entry follows none")
			}
			entries[i].offset = entries[i-1].offset + entries[i-1].length
		}
	}
	if bad {
		return nil, errors.New("truncated")
	}
	return entries, nil
}

// read returns a part of the archive, inflated.
func (a *archive) read(base, offset, length uint64, compression uint8) ([]byte, error) {
	size := uint64(len(a.content))
	if base > size || offset > size-base || length > size-base-offset {
		return nil, fmt.Errorf("truncated: the archive has %d bytes", size)
	}
	part := a.content[base+offset : base+offset+length]
	switch compression {
	case noCompression:
		return []byte(part), nil
	case gzipCompression:
		packed, err := gzip.NewReader(strings.NewReader(part))
		if err != nil {
			return nil, err
		}
		plain, err := io.ReadAll(io.LimitReader(packed, maxInflated+1))
		if err == nil && len(plain) > maxInflated {
			err = fmt.Errorf("more than %d bytes when inflated", maxInflated)
		}
		return plain, err
	}
	return nil, fmt.Errorf("compression %d; it must be none or gzip", compression)
}

// place converts a tile's id to its place. It reports false for a tile of another zoom. The ids of a zoom
// follow a Hilbert curve (section 4.1).
func place(id uint64, zoom uint8) (tile, bool) {
	first := (uint64(1)<<(2*zoom) - 1) / 3
	if id < first || id-first >= uint64(1)<<(2*zoom) {
		return tile{}, false
	}
	left := id - first
	var x, y uint32
	for side := uint32(1); side < 1<<zoom; side *= 2 {
		rx := uint32(left/2) & 1
		ry := uint32(left^uint64(rx)) & 1
		if ry == 0 {
			if rx == 1 {
				x, y = side-1-x, side-1-y
			}
			x, y = y, x
		}
		x, y, left = x+side*rx, y+side*ry, left/4
	}
	return tile{zoom, x, y}, true
}
