package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// The Makefile sets these from git. A program that go install built has the stamps of Go instead.
var (
	gitVersion string // as git describe prints it
	gitCommit  string
	gitTime    string // of the commit, in RFC 3339
)

// build is the version of the program, with its commit and date.
type build struct {
	version string // without v: a tag's, or the commit's
	commit  string // "" where it is not known, as is the date
	date    string
}

// thisBuild returns the build of this program.
func thisBuild() build {
	info, _ := debug.ReadBuildInfo() // nil where there is none
	return buildFrom(gitVersion, gitCommit, gitTime, info)
}

// buildFrom prefers the values of git to the stamps of Go.
func buildFrom(version, commit, at string, info *debug.BuildInfo) build {
	if info != nil {
		stamps := map[string]string{}
		for _, setting := range info.Settings {
			stamps[setting.Key] = setting.Value
		}
		if info.Main.Version != "(devel)" {
			version = cmp.Or(version, info.Main.Version)
		}
		commit = cmp.Or(commit, stamps["vcs.revision"])
		at = cmp.Or(at, stamps["vcs.time"])
	}
	b := build{version: strings.TrimPrefix(cmp.Or(version, "devel"), "v"), commit: commit}
	if t, err := time.Parse(time.RFC3339, at); err == nil {
		b.date = t.UTC().Format(time.DateOnly)
	}
	return b
}

// String returns the line that --version prints.
func (b build) String() string {
	line := "livemap " + b.version
	if b.commit != "" {
		line += " commit " + b.commit[:min(len(b.commit), 12)]
	}
	if b.date != "" {
		line += " of " + b.date
	}
	return line + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}

// version returns the program's version: a tag's, or the commit it was built from.
func version() string { return thisBuild().version }

type versionCmd struct{}

// Help returns what --help adds to the flags.
func (versionCmd) Help() string { return "Prints what --version prints, on one line." }

// Run prints the version.
func (versionCmd) Run(std streams) error {
	_, err := fmt.Fprintln(std.out, thisBuild())
	return err
}
