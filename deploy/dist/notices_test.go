package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// tree makes files below a new folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
	return dir
}

func TestNotices(t *testing.T) {
	goroot := tree(t, map[string]string{"LICENSE": "of Go"})
	dir := tree(t, map[string]string{"LICENSE.txt": "of a\n\n", "NOTICE": "notice of a",
		"sub/copying":   "of a/sub",
		"other/LICENSE": "of what is not linked", "license.go": "package a"})
	itself := module{Path: "Go", Version: "go1", Dir: goroot}
	a := &module{Path: "example.com/a", Version: "v1", Dir: dir}
	packages := []linked{
		{Dir: filepath.Join(goroot, "src/fmt"), Standard: true},
		{Dir: filepath.Join(dir, "sub"), Module: a},
		{Dir: "/nowhere", Module: &module{Path: "livemap", Main: true}},
	}
	text, err := appendNotices(nil, packages, itself)
	require.NoError(t, err)
	require.Equal(t, "Go go1\n======\n\nof Go\n\nexample.com/a v1\n================\n\n"+
		"of a\n\nnotice of a\n\nOf sub:\n\nof a/sub\n\n", string(text))
}

// TestNoLicence finds that what has no licence is named.
func TestNoLicence(t *testing.T) {
	goroot := tree(t, map[string]string{"LICENSE": "of Go"})
	dir := tree(t, map[string]string{"NOTICE": "no licence", "sub/LICENSE": "of a part"})
	b := &module{Path: "example.com/b", Version: "v2", Dir: dir}
	_, err := appendNotices(nil, []linked{{Dir: filepath.Join(dir, "sub"), Module: b}},
		module{Path: "Go", Dir: goroot})
	require.EqualError(t, err, "example.com/b v2 has no licence")
}
