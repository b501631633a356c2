package jetstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"livemap/stream/lockdir"
)

const (
	markName = "run.json"
	endName  = "end"
	oldName  = storeName + ".old"
)

// mark is kept beside the journal. It tells what became of the hub that had it last.
type mark struct {
	Boot   string `json:"boot"`           // id of the boot of the machine; "": unknown
	Closed bool   `json:"closed"`         // the journal was closed, and all of it is on disk
	Always bool   `json:"always"`         // each message was synced before it was acknowledged
	Node   string `json:"node,omitempty"` // of a cluster; "": the hub was alone
}

// bootID returns the id that Linux gives each boot. Other systems have none.
func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}

func (j *Journal) writeMark(closed bool) error {
	return j.dir.Replace(markName, func(w io.Writer) error {
		return json.NewEncoder(w).Encode(mark{bootID(), closed, j.config.Sync <= 0, j.config.node()})
	})
}

// doubts returns why seqs of the journal could be used again, "" if they cannot. end is a seq that the
// journal must have, if it is to be the same.
func (j *Journal) doubts() (reason string, end uint64) {
	if _, err := j.dir.Root.Stat(storeName); errors.Is(err, fs.ErrNotExist) {
		return "", 0
	}
	if j.config.Anew {
		return "a new one was asked for", 0
	}
	var last mark
	text, err := j.dir.Root.ReadFile(markName)
	if err == nil {
		err = json.Unmarshal(text, &last)
	}
	switch {
	case err != nil:
		return fmt.Sprintf("it is not known whether it was closed (%s)", err), 0
	case last.Node != j.config.node():
		return fmt.Sprintf("it is of %s, and this is %s", inWords(last.Node), inWords(j.config.node())), 0
	case last.Node != "":
		return "", 0 // what is missing comes from the others
	case !last.Closed && !last.Always && (last.Boot == "" || last.Boot != bootID()):
		return "the machine stopped before it was closed, and its last messages may be missing", 0
	case !last.Closed && last.Boot != bootID():
		return "", 0 // the end that was noted may not be on disk, but all messages are
	}
	text, err = j.dir.Root.ReadFile(endName)
	if err == nil {
		end, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	}
	if err != nil {
		return fmt.Sprintf("it is not known where it ended (%s)", err), 0
	}
	return "", end
}

// node returns the name of the server in its cluster, "" without one.
func (c *Config) node() string {
	if c.Cluster == nil {
		return ""
	}
	return c.Cluster.Node
}

func inWords(node string) string {
	if node == "" {
		return "a hub alone"
	}
	return fmt.Sprintf("node %q of a cluster", node)
}

// putAway renames the journal's directory, in place of one that was put away before.
func (j *Journal) putAway(reason string) error {
	if j.config.Keep {
		return fmt.Errorf("%s; a hub that is started here begins a new journal", reason)
	}
	j.renewed = &Renewal{Reason: reason}
	if err := j.dir.Root.RemoveAll(oldName); err != nil {
		return err
	}
	err := j.dir.Root.Rename(storeName, oldName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	j.renewed.Kept = filepath.Join(j.config.Dir, oldName)
	j.dir.Root.Remove(endName) // a hub that is killed now must not miss this end in the new journal
	if j.end != nil {
		j.end.close()
		j.end = nil
	}
	return nil
}

// endFile notes the newest message that was acknowledged. The page cache keeps it when the process
// is killed, so it is not synced.
type endFile struct {
	file  *os.File
	noted uint64
}

func openEndFile(dir *lockdir.Dir) (*endFile, error) {
	file, err := dir.Root.OpenFile(endName, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	e := &endFile{file: file}
	if info, err := file.Stat(); err == nil && info.Size() == 0 {
		return e, e.write(0)
	}
	return e, nil
}

func (e *endFile) write(seq uint64) error {
	_, err := e.file.WriteAt(fmt.Appendf(nil, "%020d\n", seq), 0)
	if err == nil {
		e.noted = seq
	}
	return err
}

// syncTree has the disk keep for good what is in a directory.
func syncTree(root *os.Root, name string) error {
	return fs.WalkDir(root.FS(), name, func(path string, d fs.DirEntry, err error) error {
		how := os.O_RDWR
		switch {
		case err != nil:
			return err
		case d.IsDir() && runtime.GOOS == "windows": // has no such thing
			return nil
		case d.IsDir():
			how = os.O_RDONLY
		}
		file, err := root.OpenFile(path, how, 0)
		if err != nil {
			return err
		}
		defer file.Close()
		return file.Sync()
	})
}

func (e *endFile) close() { e.file.Close() }
