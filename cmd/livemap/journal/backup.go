package journal

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"livemap/cmd/livemap/server"
	"livemap/stream"
	"livemap/stream/jetstream"
)

// A backup is a tar archive: manifestName, the saved states below statesFolder, the journal's blocks below
// blocksFolder, and sumsName with the SHA-256 sum of each. One without sums was cut short.
const (
	backupFormat  = "livemap-backup"
	backupVersion = 1

	manifestName = "livemap-backup.json"
	statesFolder = "states/"
	blocksFolder = "blocks/"
	sumsName     = "sums.json"

	mostManifest = 1 << 20 // bytes of manifestName and of sumsName
)

// manifest describes a backup.
type manifest struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Made    time.Time `json:"made"`
	Epoch   string    `json:"epoch"` // of the journal
}

// Backup writes the journal of a state directory and its states to a new file. A hub that runs goes on
// meanwhile; the backup has what was acknowledged before the call. It returns how many bytes the file has.
func Backup(ctx context.Context, dir, path string) (size int64, err error) {
	if _, err := os.Lstat(path); err == nil {
		return 0, fmt.Errorf("%s already exists, and is not overwritten", path)
	}
	o, err := openDir(dir)
	if err != nil {
		return 0, err
	}
	defer o.close()
	if o.hub != nil {
		if err := o.hub.Save(ctx); err != nil {
			return 0, err
		}
	}
	part := path + ".part" // of a backup that was killed: begun again
	file, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	defer os.Remove(part)
	defer file.Close()
	if err = o.write(ctx, file); err == nil {
		err = file.Sync()
	}
	if err != nil {
		return 0, err
	}
	info, err := file.Stat()
	if err == nil {
		err = os.Link(part, path) // unlike a rename, it overwrites nothing
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// write writes a backup.
func (o *open) write(ctx context.Context, to io.Writer) error {
	states, err := o.states() // before the blocks: these then have what follows
	defer closeStates(states)
	if err != nil {
		return err
	}
	w := &backupWriter{tar: tar.NewWriter(to), sums: map[string]string{}}
	about, err := json.Marshal(manifest{backupFormat, backupVersion, time.Now().UTC(), o.files.Epoch})
	if err == nil {
		err = w.add(ctx, manifestName, strings.NewReader(string(about)), int64(len(about)))
	}
	for _, s := range states {
		if err == nil {
			err = w.addFile(ctx, statesFolder+s.name, s.file)
		}
	}
	if err != nil {
		return err
	}
	paths, _, err := o.files.Blocks()
	if err != nil {
		return err
	}
	for _, path := range paths {
		file, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the oldest was removed to make room
		}
		if err == nil {
			err = w.addFile(ctx, blocksFolder+filepath.Base(path), file)
			file.Close()
		}
		if err != nil {
			return err
		}
	}
	sums, err := json.Marshal(w.sums)
	if err == nil {
		err = w.add(ctx, sumsName, strings.NewReader(string(sums)), int64(len(sums)))
	}
	return errors.Join(err, w.tar.Close())
}

// backupWriter writes the files of a backup and sums them.
type backupWriter struct {
	tar  *tar.Writer
	sums map[string]string
}

// addFile adds what a file has now: it may grow meanwhile.
func (w *backupWriter) addFile(ctx context.Context, name string, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return w.add(ctx, name, file, info.Size())
}

func (w *backupWriter) add(ctx context.Context, name string, from io.Reader, size int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := w.tar.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600}); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(w.tar, sum), from, size); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	w.sums[name] = hex.EncodeToString(sum.Sum(nil))
	return nil
}

// Restore makes a state directory from a backup. It must be empty, or not be there, or have what a restore
// left that was killed. The journal gets a new epoch: readers get all vehicles again.
func Restore(ctx context.Context, dir, path string) (Checked, error) {
	backup, err := os.Open(path)
	if err != nil {
		return Checked{}, err
	}
	defer backup.Close()
	in := tar.NewReader(backup)
	err = readManifest(in)
	if err != nil {
		return Checked{}, fmt.Errorf("%s: %w", path, err)
	}
	if err := prepare(dir); err != nil {
		return Checked{}, err
	}
	if err := unpack(ctx, in, dir); err != nil {
		return Checked{}, fmt.Errorf("%s: %w", path, errors.Join(err, clear(dir, true)))
	}
	checked, err := Check(dir)
	if err != nil {
		return checked, errors.Join(err, clear(dir, true))
	}
	return checked, os.Remove(filepath.Join(dir, server.RestoringName))
}

// readManifest reads the first file of a backup.
func readManifest(in *tar.Reader) error {
	var about manifest
	header, err := in.Next()
	if err != nil || header.Name != manifestName || header.Size > mostManifest {
		return errors.New("it is no backup of a journal")
	}
	if err := json.NewDecoder(in).Decode(&about); err != nil || about.Format != backupFormat {
		return errors.New("it is no backup of a journal")
	}
	if about.Version != backupVersion {
		return fmt.Errorf("the backup has version %d; this program reads version %d: use the one that wrote it",
			about.Version, backupVersion)
	}
	return nil
}

// prepare makes the directory, which then says that it is being restored.
func prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	marker := filepath.Join(dir, server.RestoringName)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(marker); len(entries) > 0 && err != nil {
		return fmt.Errorf("%s is not empty; a backup is restored into a directory of its own", dir)
	}
	if err := os.WriteFile(marker, nil, 0o600); err != nil {
		return err
	}
	return clear(dir, false)
}

// clear removes what a restore has made, the marker last and only if all is to go.
func clear(dir string, all bool) error {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		if entry.Name() != server.RestoringName {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
		}
	}
	if all && err == nil {
		err = os.Remove(filepath.Join(dir, server.RestoringName))
	}
	return err
}

// unpack writes what follows the manifest to a state directory: JetStream makes the stream, with an epoch of
// its own, and finds the messages in it when it is opened next.
func unpack(ctx context.Context, in *tar.Reader, dir string) error {
	journalDir := server.JournalDir(dir)
	made, err := jetstream.Make(ctx, journalDir)
	if err != nil {
		return err
	}
	sums := map[string]string{}
	for {
		header, err := in.Next()
		if err == nil && ctx.Err() != nil {
			err = ctx.Err()
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("the backup is incomplete: it was cut short")
		}
		if err != nil {
			return fmt.Errorf("the backup is damaged: %w", err)
		}
		if header.Name == sumsName {
			return finish(ctx, in, sums, dir, made)
		}
		path, err := pathOf(header.Name, dir)
		if err == nil {
			sums[header.Name], err = unpackFile(in, path)
		}
		if err != nil {
			return err
		}
	}
}

// pathOf returns where a file of a backup belongs.
func pathOf(name, dir string) (string, error) {
	state, isState := strings.CutPrefix(name, statesFolder)
	for _, known := range server.StateNames {
		if isState && state == known {
			return filepath.Join(dir, state), nil
		}
	}
	if block, isBlock := strings.CutPrefix(name, blocksFolder); isBlock && jetstream.IsBlock(block) {
		return filepath.Join(server.JournalDir(dir), jetstream.BlocksDir, block), nil
	}
	return "", fmt.Errorf("the backup has a file %q, which does not belong there", name)
}

func unpackFile(from io.Reader, path string) (sum string, err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if _, err = io.Copy(io.MultiWriter(file, h), from); errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the backup is incomplete: it was cut short")
	}
	if err == nil {
		err = file.Sync()
	}
	return hex.EncodeToString(h.Sum(nil)), errors.Join(err, file.Close())
}

// finish compares the sums, gives the states the new epoch, and has JetStream take the messages.
func finish(
	ctx context.Context, in io.Reader, sums map[string]string, dir string, made *jetstream.Files,
) error {
	var want map[string]string
	if err := json.NewDecoder(io.LimitReader(in, mostManifest)).Decode(&want); err != nil {
		return fmt.Errorf("the backup is damaged: %w", err)
	}
	delete(want, manifestName)
	for name, sum := range want {
		if sums[name] != sum {
			return fmt.Errorf("the backup is damaged: %s has another checksum than it had", name)
		}
	}
	if len(sums) != len(want) {
		return errors.New("the backup is damaged: it has files without a checksum")
	}
	for _, name := range server.StateNames {
		if err := moveState(filepath.Join(dir, name), made.Epoch); err != nil {
			return err
		}
	}
	return jetstream.TakeBlocks(ctx, made)
}

// moveState gives a saved state, if it is there, another epoch.
func moveState(path, epoch string) error {
	from, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(path+".moved", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err = stream.MoveState(to, from, epoch); err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	return os.Rename(path+".moved", path)
}
