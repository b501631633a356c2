package server

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"livemap/api/regular"
)

// heldDir is a directory that no other hub may use. Files are written below the directory itself, not
// below its path, which may lead elsewhere one day.
type heldDir struct {
	root *os.Root
	dir  *os.File // the directory, locked
	info fs.FileInfo
	lock *os.File // the file `lock` in it, locked too
}

const lockName = "lock"

// errInUse reports that another hub has a lock.
var errInUse = errors.New("another hub is using it")

// holdDir opens and locks a directory. A lock of the directory itself holds even if the file `lock`
// is removed. Network file systems and Windows can only lock files.
func holdDir(path string) (d *heldDir, err error) {
	d = &heldDir{}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	// Opening a pipe in its place would wait.
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return d, &fs.PathError{Op: "open", Path: path, Err: errors.New("not a directory")}
	}
	if d.root, err = os.OpenRoot(path); err != nil {
		return d, err
	}
	if d.dir, err = d.root.Open("."); err != nil {
		return d, err
	}
	if d.info, err = d.dir.Stat(); err != nil {
		return d, err
	}
	unsupported := tryLock(d.dir)
	if errors.Is(unsupported, errInUse) {
		return d, errInUse
	}
	if d.lock, err = d.openLock(); err != nil {
		return d, err
	}
	if err = tryLock(d.lock); err == nil {
		writeOwner(d.lock)
	} else if !errors.Is(err, errInUse) && unsupported == nil {
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

// inUse says that another hub has the directory at a path, and which process that is.
func inUse(path string) string {
	const most = 8 << 10 // bytes, more than a path has
	lock, err := regular.Open(filepath.Join(path, lockName))
	if err != nil {
		return errInUse.Error()
	}
	defer lock.Close()
	text, _ := io.ReadAll(io.NewSectionReader(lock, 1, most))
	process, program, found := strings.Cut(strings.TrimSuffix(string(text), "\n"), " ")
	if _, err := strconv.Atoi(process); err != nil || !found {
		return errInUse.Error()
	}
	return fmt.Sprintf("%s (process %s, %s)", errInUse, process, strconv.QuoteToGraphic(program))
}

func (d *heldDir) openLock() (*os.File, error) {
	lock, err := d.root.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if info, err := lock.Stat(); err != nil || !info.Mode().IsRegular() {
		lock.Close()
		return nil, errors.Join(fmt.Errorf("%s is %w", lockName, regular.ErrOther), err)
	}
	return lock, nil
}

// lockAgain makes and locks the file `lock` again if it was removed.
func (d *heldDir) lockAgain() error {
	was, err := d.lock.Stat()
	if err != nil {
		return err
	}
	if is, err := d.root.Lstat(lockName); err == nil && os.SameFile(is, was) {
		return nil
	}
	lock, err := d.openLock()
	if err != nil {
		return err
	}
	if err := tryLock(lock); errors.Is(err, errInUse) {
		lock.Close()
		return errInUse
	} else if err == nil {
		writeOwner(lock)
	}
	d.lock.Close()
	d.lock = lock
	return nil
}

// close releases the directory for other hubs.
func (d *heldDir) close() {
	for _, file := range []*os.File{d.lock, d.dir} {
		file.Close() // nil has no effect
	}
	if d.root != nil {
		d.root.Close()
	}
}

// replace replaces a file by what write writes. After a crash the file is the old or the new one.
func (d *heldDir) replace(name string, write func(io.Writer) error) (err error) {
	half := name + ".new-1"
	d.root.Remove(half)
	file, err := d.root.OpenFile(half, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		file.Close()
		if err != nil {
			d.root.Remove(half)
		}
	}()
	if err = write(file); err != nil {
		return err
	}
	if err = file.Sync(); err != nil {
		return err
	}
	if err = file.Close(); err != nil { // Windows renames no open file
		return err
	}
	if err = d.root.Rename(half, name); err != nil {
		return err
	}
	return syncDir(d.dir)
}

// copy copies a file.
func (d *heldDir) copy(name, to string) error {
	return d.replace(to, func(w io.Writer) error {
		file, err := d.root.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = io.Copy(w, file)
		return err
	})
}

// freeName returns a name under which a file of vehicles can be kept, such as vehicles.ndjson.unreadable.
// Those that were kept before stay, up to maxAside.
func (d *heldDir) freeName(why string) string {
	name := vehiclesFile + "." + why
	for n := 2; n <= maxAside; n++ {
		if _, err := d.root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name
		}
		name = fmt.Sprintf("%s.%s-%d", vehiclesFile, why, n)
	}
	return name
}
