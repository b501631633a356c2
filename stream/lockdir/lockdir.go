// Package lockdir holds a directory for one hub.
package lockdir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Dir is a directory that no other hub may use. Files are written below the directory itself, not
// below its path, which may lead elsewhere one day.
type Dir struct {
	Root *os.Root
	Info fs.FileInfo
	dir  *os.File // the directory, locked
	lock *os.File // the file [LockName] in it, locked too
}

// LockName is the name of a file in the directory, which says who has it.
const LockName = "lock"

// ErrInUse reports that another hub has the directory.
var ErrInUse = errors.New("another hub is using it")

// Hold opens and locks a directory. A lock of the directory itself holds even if the file `lock`
// is removed. Network file systems and Windows can only lock files.
func Hold(path string) (d *Dir, err error) {
	d = &Dir{}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	// Opening a pipe in its place would wait.
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return d, &fs.PathError{Op: "open", Path: path, Err: errors.New("not a directory")}
	}
	if d.Root, err = os.OpenRoot(path); err != nil {
		return d, err
	}
	if d.dir, err = d.Root.Open("."); err != nil {
		return d, err
	}
	if d.Info, err = d.dir.Stat(); err != nil {
		return d, err
	}
	unsupported := tryLock(d.dir)
	if errors.Is(unsupported, ErrInUse) {
		return d, ErrInUse
	}
	if d.lock, err = d.openLock(); err != nil {
		return d, err
	}
	if err = tryLock(d.lock); err == nil {
		writeOwner(d.lock)
	} else if !errors.Is(err, ErrInUse) && unsupported == nil {
		err = nil // the lock of the directory is enough
	}
	return d, err
}

// writeOwner writes into the file `lock` which process has it. It is for people: a failure does not
// matter. The first byte stays empty, because Windows lets no other process read what is locked.
func writeOwner(lock *os.File) {
	program, err := os.Executable()
	if err != nil {
		program = "livemap"
	}
	lock.Truncate(0)
	fmt.Fprintf(lock, "\n%d %s\n", os.Getpid(), program)
}

// InUse says that another hub has the directory at a path, and which process that is.
func InUse(path string) string {
	const most = 8 << 10 // bytes, more than a path has
	name := filepath.Join(path, LockName)
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() { // opening a pipe would wait
		return ErrInUse.Error()
	}
	lock, err := os.Open(name)
	if err != nil {
		return ErrInUse.Error()
	}
	defer lock.Close()
	text, _ := io.ReadAll(io.NewSectionReader(lock, 1, most))
	process, program, found := strings.Cut(strings.TrimSuffix(string(text), "\n"), " ")
	if _, err := strconv.Atoi(process); err != nil || !found {
		return ErrInUse.Error()
	}
	return fmt.Sprintf("%s (process %s, %s)", ErrInUse, process, strconv.QuoteToGraphic(program))
}

func (d *Dir) openLock() (*os.File, error) {
	lock, err := d.Root.OpenFile(LockName, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if info, err := lock.Stat(); err != nil || !info.Mode().IsRegular() {
		lock.Close()
		return nil, errors.Join(fmt.Errorf("%s is not a regular file", LockName), err)
	}
	return lock, nil
}

// LockAgain makes and locks the file `lock` again if it was removed.
func (d *Dir) LockAgain() error {
	was, err := d.lock.Stat()
	if err != nil {
		return err
	}
	if is, err := d.Root.Lstat(LockName); err == nil && os.SameFile(is, was) {
		return nil
	}
	lock, err := d.openLock()
	if err != nil {
		return err
	}
	if err := tryLock(lock); errors.Is(err, ErrInUse) {
		lock.Close()
		return ErrInUse
	} else if err == nil {
		writeOwner(lock)
	}
	d.lock.Close()
	d.lock = lock
	return nil
}

// Close releases the directory for other hubs.
func (d *Dir) Close() {
	for _, file := range []*os.File{d.lock, d.dir} {
		file.Close() // nil has no effect
	}
	if d.Root != nil {
		d.Root.Close()
	}
}

// Replace replaces a file by what write writes. After a crash the file is the old or the new one.
func (d *Dir) Replace(name string, write func(io.Writer) error) (err error) {
	half := name + ".new-1"
	d.Root.Remove(half)
	file, err := d.Root.OpenFile(half, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		file.Close()
		if err != nil {
			d.Root.Remove(half)
		}
	}()
	if err = write(&inPieces{file: file}); err != nil {
		return err
	}
	if err = file.Sync(); err != nil {
		return err
	}
	if err = file.Close(); err != nil { // Windows renames no open file
		return err
	}
	if err = d.Root.Rename(half, name); err != nil {
		return err
	}
	return syncDir(d.dir)
}

// inPieces writes a file to its disk as it comes: a large file at once would hold up others who write there.
type inPieces struct {
	file     *os.File
	unsynced int
}

func (w *inPieces) Write(p []byte) (int, error) {
	const piece = 4 << 20
	n, err := w.file.Write(p)
	if w.unsynced += n; err == nil && w.unsynced >= piece {
		w.unsynced = 0
		err = w.file.Sync()
	}
	return n, err
}

// Copy copies a file.
func (d *Dir) Copy(name, to string) error {
	return d.Replace(to, func(w io.Writer) error {
		file, err := d.Root.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = io.Copy(w, file)
		return err
	})
}
