package web

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	"livemap/api/regular"
)

// archivePath returns the URL path of an archive: /map.pmtiles, /map-2.pmtiles and so on.
func archivePath(i int) string {
	if i == 0 {
		return "/map.pmtiles"
	}
	return fmt.Sprintf("/map-%d.pmtiles", i+1)
}

// archives returns the archives of a page, from the lowest to the one on top.
func archives(config Config) (list []serve) {
	if config.City != "" {
		list = append(list, embedded(config.City))
	}
	for _, path := range config.PMTiles {
		list = append(list, archive(path).serve)
	}
	return list
}

// archive is the path of a PMTiles file. It is opened for each request, so a replaced file takes effect at
// once. Clients notice it by the ETag.
type archive string

func (a archive) serve(w http.ResponseWriter, r *http.Request) error {
	file, err := regular.Open(string(a))
	if errors.Is(err, regular.ErrOther) {
		return fs.ErrNotExist
	}
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	tag := fmt.Sprintf(`"%x-%x"`, info.Size(), info.ModTime().UnixNano())
	serveArchive(w, r, tag, info.ModTime(), file)
	return nil
}

// embedded serves the contents of a PMTiles archive.
func embedded(content string) serve {
	tag := sync.OnceValue(func() string { return `"` + hash([]byte(content)) + `"` })
	return func(w http.ResponseWriter, r *http.Request) error {
		serveArchive(w, r, tag(), time.Time{}, strings.NewReader(content))
		return nil
	}
}

func serveArchive(w http.ResponseWriter, r *http.Request, tag string, at time.Time, content io.ReadSeeker) {
	header := w.Header()
	header.Set("Content-Type", "application/vnd.pmtiles")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", tag)
	http.ServeContent(w, r, "", at, content)
}

// CheckPMTiles returns an error if a file is not a complete PMTiles archive of version 3 with tiles that the
// page can draw.
func CheckPMTiles(path string) error {
	file, err := regular.Open(path)
	if pathError, is := errors.AsType[*fs.PathError](err); is {
		return pathError.Err // the caller names the path
	}
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	var header archiveHeader
	err = binary.Read(file, binary.LittleEndian, &header)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return header.check(info.Size())
}

// archiveHeader is the header of a PMTiles archive (PMTiles specification, version 3, section 3). Offsets and
// lengths are in bytes.
type archiveHeader struct {
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
}

// Values of the header's fields that the page supports: pmtiles inflates only gzip, and MapLibre draws MVT,
// PNG, JPEG, WebP and AVIF.
const (
	noCompression, gzipCompression = 1, 2
	typeMVT, typeAVIF              = 1, 5
)

func (h *archiveHeader) check(size int64) error {
	end := max(
		endOf(h.RootAt, h.RootLength),
		endOf(h.MetaAt, h.MetaLength),
		endOf(h.LeafAt, h.LeafLength),
		endOf(h.TilesAt, h.TileLength),
	)
	switch {
	case string(h.Magic[:]) != "PMTiles":
		return errors.New("not a PMTiles archive")
	case h.Version != 3:
		return fmt.Errorf("a PMTiles archive of version %d", h.Version)
	case h.TileType < typeMVT || h.TileType > typeAVIF:
		return fmt.Errorf("a PMTiles archive with tiles of type %d", h.TileType)
	case !canInflate(h.InternalCompression) || !canInflate(h.TileCompression):
		return errors.New("a PMTiles archive with a compression other than gzip")
	case end > uint64(size):
		return fmt.Errorf("a truncated PMTiles archive: %d of %d bytes", size, end)
	}
	return nil
}

// endOf returns the offset at which a part ends, at most math.MaxUint64.
func endOf(at, length uint64) uint64 {
	if length > math.MaxUint64-at {
		return math.MaxUint64
	}
	return at + length
}

func canInflate(compression uint8) bool {
	return compression == noCompression || compression == gzipCompression
}
