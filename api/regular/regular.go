// Package regular reads files by name, and rejects what only looks like one.
//
// Opening a named pipe waits for its writer, and a device may never end. A program that reads its
// certificate, key or state by name must not wait for either.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ErrOther is in the error for something that is no regular file.
var ErrOther = errors.New("not a regular file")

// Open opens a regular file, or a link to one, for reading. Errors are [*fs.PathError].
func Open(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil {
		if err := check(info); err != nil {
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
	return os.Open(path)
}

// Read reads a regular file of at most limit bytes. Errors are [*fs.PathError].
func Read(path string, limit int64) ([]byte, error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("larger than %d bytes", limit)}
	}
	return content, err
}

// check returns an error that says what it is, unless it is a regular file.
func check(info fs.FileInfo) error {
	kind := "a device"
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		kind = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a pipe"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	}
	return fmt.Errorf("%w, but %s", ErrOther, kind)
}

// Unchanged reports whether two results of [os.Stat] are of the same file with the same content, as far as
// its time and size tell. Nil is no file.
func Unchanged(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
