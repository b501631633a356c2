package main

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBuildFrom(t *testing.T) {
	stamped := &debug.BuildInfo{
		Main: debug.Module{Version: "v0.0.0-20261128214200-c503e3e5d1aa"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "c503e3e5d1aabbccddeeff00112233445566"},
			{Key: "vcs.time", Value: "2026-11-28T21:42:00Z"},
		},
	}
	unstamped := &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}
	for _, c := range []struct {
		name                string
		version, commit, at string
		info                *debug.BuildInfo
		want                build
	}{
		{"git", "v1.2.0-3-gabc", "abcdef", "2026-01-02T23:30:00-02:00", stamped,
			build{"1.2.0-3-gabc", "abcdef", "2026-01-03"}},
		{"stamps", "", "", "", stamped, build{"0.0.0-20261128214200-c503e3e5d1aa",
			"c503e3e5d1aabbccddeeff00112233445566", "2026-11-28"}},
		{"no stamps", "", "", "", unstamped, build{"devel", "", ""}},
		{"nothing", "", "", "", nil, build{"devel", "", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, buildFrom(c.version, c.commit, c.at, c.info))
		})
	}
	require.Regexp(t, `^livemap 1\.0 commit c503e3e5d1aa of 2026-11-28 go1\S+ \w+/\w+$`,
		build{"1.0", "c503e3e5d1aabbccddeeff00112233445566", "2026-11-28"}.String())
	require.Regexp(t, `^livemap devel go1\S+ \w+/\w+$`, build{version: "devel"}.String())
}

// TestVersionCommand finds the same line in both places.
func TestVersionCommand(t *testing.T) {
	require.Equal(t, helpOf(t, "--version"), helpOf(t, "version"))
}
