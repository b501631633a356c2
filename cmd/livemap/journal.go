package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"livemap/cmd/livemap/journal"
	"livemap/cmd/livemap/server"
	"livemap/stream"
)

// journalCmd looks after the journal of a hub.
type journalCmd struct {
	Action   string `arg:"" enum:"info,check,set,backup,restore"`
	Argument string `arg:"" optional:"" placeholder:"ARGUMENT"`
	StateDir string `placeholder:"DIR"`
	JSON     bool   `name:"json"`
}

// journalHelp has the help texts of journalCmd.
var journalHelp = helpTexts{
	"action":   "info, check, set, backup or restore.",
	"argument": "NAME=VALUE for set; a file for backup and restore.",
	"state-dir": "Directory for the certificate, QUIC keys, the journal and every vehicle's newest position " +
		"(default: livemap in the user's state directory).",
	"json": "Print what info found as JSON.",
}

// Help returns what --help adds to the flags.
func (c *journalCmd) Help() string {
	return `Looks after the journal in the state directory of a hub on this machine, which may run or not:

  livemap journal info                    what it has: messages, age, size, vehicles, settings
  livemap journal check                   read all of it, apply it, and compare it with the saved states
  livemap journal set vehicle-ttl=24h     change a setting, for all hubs of the journal
  livemap journal backup FILE             copy it, also while the hub runs
  livemap journal restore FILE            make a new state directory of a backup

Settings are ` + strings.Join(settingNames(), ", ") + `: the flags of 'livemap serve' of the same names.

A restored journal has the same messages and another epoch: readers get all vehicles anew. The state directory
must be empty. A restore that was interrupted can be repeated.

Exit status: 0 for success; 1 if the journal is damaged, or something else is wrong; 2 for a mistake in the
call.`
}

func settingNames() (names []string) {
	for _, s := range stream.AllSettings() {
		names = append(names, s.String())
	}
	return names
}

// Validate checks the call; kong calls it.
func (c *journalCmd) Validate() error {
	wants := map[string]string{"set": "NAME=VALUE", "backup": "FILE", "restore": "FILE"}[c.Action]
	switch {
	case wants == "" && c.Argument != "":
		return fmt.Errorf("livemap journal %s takes no argument, and got %q", c.Action, c.Argument)
	case wants != "" && c.Argument == "":
		return fmt.Errorf("livemap journal %s needs %s", c.Action, wants)
	case c.JSON && c.Action != "info":
		return errors.New("--json is for livemap journal info alone")
	case c.Action == "set":
		_, _, err := stream.ParseSetting(c.Argument)
		return err
	}
	return nil
}

// Run does what was asked and prints what came of it.
func (c *journalCmd) Run(ctx context.Context, std streams) (err error) {
	dir := c.StateDir
	if dir == "" {
		if dir, err = server.DefaultStateDir(); err != nil {
			return usageError{err}
		}
	}
	var text string
	switch c.Action {
	case "info":
		text, err = c.info(ctx, dir)
	case "check":
		var found journal.Checked
		if found, err = journal.Check(dir); err == nil {
			text = "the journal is sound: " + checkedText(found)
		}
	case "set":
		var running bool
		if running, err = journal.Set(ctx, dir, c.Argument); err == nil {
			text = c.Argument + whether(running, " from now on", " when a hub starts")
		}
	case "backup":
		var size int64
		if size, err = journal.Backup(ctx, dir, c.Argument); err == nil {
			text = fmt.Sprintf("%s has the journal: %s", c.Argument, humanize.IBytes(uint64(size)))
		}
	case "restore":
		var found journal.Checked
		if found, err = journal.Restore(ctx, dir, c.Argument); err == nil {
			text = fmt.Sprintf("%s is ready for a hub: %s", dir, checkedText(found))
		}
	}
	if err == nil {
		_, err = fmt.Fprintln(std.out, text)
	}
	return err
}

func whether[T any](condition bool, yes, no T) T {
	if condition {
		return yes
	}
	return no
}

func checkedText(c journal.Checked) string {
	return fmt.Sprintf("messages %d to %d, %d vehicles, digest %s", c.First, c.Last, c.Vehicles, c.Digest)
}

// info returns what is known of a journal, as lines or as JSON.
func (c *journalCmd) info(ctx context.Context, dir string) (string, error) {
	info, running, err := journal.Info(ctx, dir)
	if err != nil {
		return "", err
	}
	if c.JSON {
		text, err := json.Marshal(info)
		return string(text), err
	}
	lines := []string{
		"directory  " + server.JournalDir(dir),
		"hub        " + whether(running, "running", "not running"),
		"epoch      " + info.Epoch,
		fmt.Sprintf("messages   %d to %d, of which %d are applied", info.First, info.Last, info.Applied),
		"size       " + humanize.IBytes(info.Bytes) +
			whether(info.Free > 0, ", "+humanize.IBytes(info.Free)+" free", ""),
		fmt.Sprintf("vehicles   %d, and %d that are gone", info.Vehicles, info.Gone),
	}
	if !info.Oldest.IsZero() {
		lines = append(lines, fmt.Sprintf("oldest     %s, %s ago", info.Oldest.UTC().Format(time.RFC3339),
			shortDuration(time.Since(info.Oldest).Round(time.Second))))
	}
	if !info.FrozenSince.IsZero() {
		lines = append(lines, "frozen     since "+info.FrozenSince.UTC().Format(time.RFC3339))
	}
	for _, name := range slices.Sorted(maps.Keys(info.Settings)) {
		lines = append(lines, "setting    "+name+"="+info.Settings[name])
	}
	return strings.Join(lines, "\n"), nil
}
