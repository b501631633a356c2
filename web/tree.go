package web

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// specifiers maps the names by which the page's modules import libraries to files. The names are those of the
// npm packages, so a type checker finds them.
var specifiers = map[string]string{
	"@mapbox/vector-tile": "vector-tile.mjs",
	"maplibre-gl":         "maplibre-gl.mjs",
	"pbf":                 "pbf.mjs",
	"pmtiles":             "pmtiles.mjs",
}

// tree is a set of files below a path with their hash in it, so a file at a path never changes. A page that
// was loaded from an older hub gets 404 rather than a file of another version.
type tree struct {
	root  string // /lib/0123456789abcdef/
	files []*asset
}

// newTree roots files. They carry the page's policy, because a worker has the policy of its own file. The
// policy is part of the hash too.
func newTree(name string, files []*asset, policy string) tree {
	parts := [][]byte{[]byte(policy)}
	for _, file := range files {
		parts = append(parts, []byte(file.path), []byte(file.tag))
	}
	t := tree{"/" + name + "/" + hash(parts...) + "/", files}
	for _, file := range files {
		file.path = t.root[1:] + file.path
		file.with("Cache-Control", "public, max-age=31536000, immutable")
		file.with("Content-Security-Policy", policy)
	}
	return t
}

// isBuilt reports whether dist holds all libraries.
func isBuilt(dist fs.FS) bool {
	for _, file := range specifiers {
		if _, err := fs.Stat(dist, "lib/"+file+".gz"); err != nil {
			return false
		}
	}
	return true
}

// libraries returns the files that `make web` has put into dist/lib.
func libraries(dist fs.FS, policy string) (tree, error) {
	var files []*asset
	err := eachFile(dist, "lib", func(name string, packed []byte) error {
		name, found := strings.CutSuffix(strings.TrimPrefix(name, "lib/"), ".gz")
		if !found {
			return fmt.Errorf("%s is not compressed; run make web to rebuild dist", name)
		}
		files = append(files, packedAsset(name, packed))
		return nil
	})
	return newTree("lib", files, policy), err
}

// sources returns the page's own files, except for the page itself. They name the libraries by their path, so
// the hash of the libraries is part of theirs.
func sources(src fs.FS, lib, policy string) (tree, error) {
	var files []*asset
	err := eachFile(src, ".", func(name string, text []byte) error {
		if path.Ext(name) == ".js" && mentionsLibrary(text) {
			text = resolve(text, lib)
		}
		if name != indexName {
			files = append(files, newAsset(name, text))
		}
		return nil
	})
	return newTree("app", files, policy), err
}

// eachFile calls do for all files below dir, in the order of their names.
func eachFile(from fs.FS, dir string, do func(name string, content []byte) error) error {
	return fs.WalkDir(from, dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		return do(name, content)
	})
}

// mentionsLibrary reports whether a module may import a library. It spares most modules the search for
// imports.
func mentionsLibrary(module []byte) bool {
	for name := range specifiers {
		if bytes.Contains(module, []byte(name)) {
			return true
		}
	}
	return false
}

var importing = regexp.MustCompile(`(\b(?:from|import)\s*\(?\s*["'])([\w@/-]+)(["'])`)

// resolve replaces the names of libraries in imports by their paths.
func resolve(module []byte, lib string) []byte {
	return importing.ReplaceAllFunc(module, func(found []byte) []byte {
		parts := importing.FindSubmatch(found)
		file, known := specifiers[string(parts[2])]
		if !known {
			return found
		}
		return []byte(string(parts[1]) + lib + file + string(parts[3]))
	})
}
