package recording

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// input is what can be opened and read as one recording: a file, or one in a zip archive.
type input struct {
	name string // as errors name it
	open func() (io.ReadCloser, error)
	zone *time.Location // of times in CSV that have none; nil: they are refused
}

// namedInput is the file of this name; [standardInput] stands for stdin.
func namedInput(name string, stdin io.Reader) input {
	if name == standardInput {
		open := func() (io.ReadCloser, error) { return io.NopCloser(stdin), nil }
		return input{name: "standard input", open: open}
	}
	return input{name: name, open: func() (io.ReadCloser, error) { return os.Open(name) }}
}

// zipMagic begins a zip archive with at least one file.
const zipMagic = "PK\x03\x04"

// regularInputs returns the recordings in a regular file: several if it is a zip archive.
func regularInputs(name string) ([]input, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	magic := make([]byte, len(zipMagic))
	if _, err := io.ReadFull(f, magic); err != nil || string(magic) != zipMagic {
		return []input{namedInput(name, nil)}, nil // errors are found when it is read
	}
	archive, err := zip.OpenReader(name)
	if err != nil {
		return nil, fmt.Errorf("%s: its zip archive is damaged; it was cut, perhaps", name)
	}
	defer archive.Close()
	return zippedInputs(name, archive)
}

// zippedInputs returns the files in an archive, without those that a file manager adds.
func zippedInputs(name string, archive *zip.ReadCloser) ([]input, error) {
	var inputs []input
	for _, file := range archive.File {
		switch inner := file.Name; {
		case inner == "[Content_Types].xml", inner == "mimetype":
			return nil, errors.New(name + ": " + workbookAdvice)
		case file.Flags&1 != 0:
			return nil, errors.New(name + ": its zip archive is encrypted; unpack it first")
		case strings.HasSuffix(inner, "/"), strings.HasPrefix(path.Base(inner), "."),
			strings.HasPrefix(inner, "__MACOSX/"):
		default:
			inputs = append(inputs, input{name: name + "/" + inner, open: func() (io.ReadCloser, error) {
				return openZipped(name, inner)
			}})
		}
	}
	if inputs == nil {
		return nil, nothingError{name, "its zip archive has no files"}
	}
	return inputs, nil
}

// zippedFile is an open file of an archive that was opened for it alone.
type zippedFile struct {
	io.ReadCloser
	archive *zip.ReadCloser
}

func (z zippedFile) Close() error { return errors.Join(z.ReadCloser.Close(), z.archive.Close()) }

func openZipped(name, inner string) (io.ReadCloser, error) {
	archive, err := zip.OpenReader(name)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(archive.File, func(f *zip.File) bool { return f.Name == inner })
	if i < 0 {
		archive.Close()
		return nil, fmt.Errorf("%s/%s: it is gone", name, inner)
	}
	file, err := archive.File[i].Open()
	if err != nil {
		archive.Close()
		return nil, fmt.Errorf("%s/%s: %w; unpack it first", name, inner, err)
	}
	return zippedFile{file, archive}, nil
}
