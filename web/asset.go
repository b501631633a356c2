package web

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// contentTypes are the content types of the page's files, by extension.
var contentTypes = map[string]string{
	".bin":     "application/octet-stream",
	".css":     "text/css; charset=utf-8",
	".geojson": "application/geo+json",
	".html":    "text/html; charset=utf-8",
	".js":      "text/javascript; charset=utf-8",
	".json":    "application/json",
	".mjs":     "text/javascript; charset=utf-8",
	".png":     "image/png",
	".svg":     "image/svg+xml",
	".ts":      "text/plain; charset=utf-8", // by default, .ts is a video
	".txt":     "text/plain; charset=utf-8",
	".woff2":   "font/woff2",
}

// asset is a file of the page, in memory.
type asset struct {
	path   string
	header map[string]string
	tag    string        // hash of the contents
	packed func() []byte // gzip
	plain  []byte        // nil if only packed is kept
}

// newAsset returns an asset of a plain file, which is compressed at the first request for that.
func newAsset(path string, text []byte) *asset {
	packed := sync.OnceValue(func() []byte { return pack(text) })
	return (&asset{path: path, tag: hash(text), packed: packed, plain: text}).typed()
}

// packedAsset returns an asset of a compressed file. The path is that of the plain file.
func packedAsset(path string, packed []byte) *asset {
	return (&asset{path: path, tag: hash(packed), packed: func() []byte { return packed }}).typed()
}

func pack(text []byte) []byte {
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // a valid level
	w.Write(text)                                              // a buffer does not fail
	w.Close()
	return packed.Bytes()
}

func (a *asset) typed() *asset {
	a.header = map[string]string{}
	contentType := cmp.Or(contentTypes[path.Ext(a.path)], contentTypes[".bin"])
	return a.with("Content-Type", contentType).with("X-Content-Type-Options", "nosniff")
}

// with sets a header field of the file's response.
func (a *asset) with(name, value string) *asset {
	a.header[name] = value
	return a
}

// serve responds with the file, compressed if the client accepts that.
func (a *asset) serve(w http.ResponseWriter, r *http.Request) error {
	packed := acceptsGzip(r.Header.Values("Accept-Encoding"))
	tag := `"` + a.tag + `"`
	if packed {
		tag = `"` + a.tag + `-gzip"`
	}
	header := w.Header()
	header.Add("Vary", "Accept-Encoding") // beside what others have set
	header.Set("ETag", tag)
	for name, value := range a.header {
		header.Set(name, value)
	}
	if matches(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	body := a.plain
	if packed {
		header.Set("Content-Encoding", "gzip")
		body = a.packed()
	}
	if body == nil {
		return a.inflate(w, r)
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body) // net/http omits the body for HEAD; an error is the client's connection
	return nil
}

// inflate responds with a file of which only the compressed form is kept. It inflates it piece by piece, for
// each client without gzip, which is rare.
func (a *asset) inflate(w http.ResponseWriter, r *http.Request) error {
	packed := a.packed()
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	// The last four bytes are the plain size (RFC 1952, section 2.3.1).
	size := binary.LittleEndian.Uint32(packed[len(packed)-4:])
	w.Header().Set("Content-Length", strconv.FormatUint(uint64(size), 10))
	if r.Method != http.MethodHead {
		io.Copy(w, plain) // an error is the client's connection
	}
	return nil
}

// acceptsGzip reports whether an Accept-Encoding allows gzip and does not prefer the plain file
// (RFC 9110, section 12.5.3).
func acceptsGzip(acceptEncoding []string) bool {
	quality := map[string]float64{}
	for _, part := range strings.Split(strings.Join(acceptEncoding, ","), ",") {
		coding, params, _ := strings.Cut(part, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		quality[coding] = 1
		name, q, found := strings.Cut(params, "=")
		if found && strings.EqualFold(strings.TrimSpace(name), "q") {
			quality[coding], _ = strconv.ParseFloat(strings.TrimSpace(q), 64) // an invalid value is 0
		}
	}
	for _, coding := range []string{"gzip", "x-gzip", "*"} {
		if q, named := quality[coding]; named {
			return q > 0 && q >= quality["identity"]
		}
	}
	return false
}

// matches reports whether an If-None-Match names the tag (RFC 9110, section 13.1.2). The tag is a quoted
// hash, so it is not part of another tag.
func matches(ifNoneMatch []string, tag string) bool {
	given := strings.TrimSpace(strings.Join(ifNoneMatch, ","))
	return given == "*" || strings.Contains(given, tag)
}

// hash returns 16 hexadecimal digits that identify contents.
func hash(parts ...[]byte) string {
	sum := sha256.New()
	for _, part := range parts {
		sum.Write(strconv.AppendInt(nil, int64(len(part)), 10)) // the length separates the parts
		sum.Write([]byte{' '})
		sum.Write(part)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}
