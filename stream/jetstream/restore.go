package jetstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"livemap/stream"
)

// IsBlock reports whether a file of this name holds messages.
func IsBlock(name string) bool {
	n, err := blockIndex(name)
	return err == nil && n > 0 && name == fmt.Sprintf("%d.blk", n)
}

// Make makes an empty journal in a directory, with an epoch of its own, whose blocks can then be put there.
// It must not be used before [TakeBlocks].
func Make(ctx context.Context, dir string) (*Files, error) {
	j, err := Open(ctx, Config{Dir: dir})
	if err != nil {
		return nil, err
	}
	if err := j.Close(); err != nil {
		return nil, err
	}
	made, err := OpenFiles(dir)
	if err != nil {
		return nil, err
	}
	blocks := filepath.Join(dir, BlocksDir)
	return made, errors.Join(os.RemoveAll(blocks), os.Mkdir(blocks, 0o700))
}

// TakeBlocks has JetStream find the messages of blocks that were put into a journal that [Make] made.
func TakeBlocks(ctx context.Context, made *Files) error {
	last := uint64(0)
	err := made.Read(func(at stream.Place, _ []byte) error {
		last = at.Seq
		return nil
	})
	if err != nil {
		return err
	}
	note := fmt.Appendf(nil, "%020d\n", last)
	if err := os.WriteFile(filepath.Join(made.Dir, endName), note, 0o600); err != nil {
		return err
	}
	j, err := Open(ctx, Config{Dir: made.Dir, Keep: true})
	if err != nil {
		return err
	}
	life, err := j.Life(ctx)
	if err == nil && (life.Last != last || life.Epoch != made.Epoch) {
		err = fmt.Errorf("the journal should end with message %d, and ends with message %d", last, life.Last)
	}
	return errors.Join(err, j.Close())
}
