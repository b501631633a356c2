package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// module is a Go module that packages of the program come from.
type module struct {
	Path, Version, Dir string
	Main               bool
}

// linked is a package of the program.
type linked struct {
	Dir      string
	Standard bool
	Module   *module
}

// isNotice reports whether a file says under which terms others may have the code.
var isNotice = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|unlicense)([-.].*)?$`).MatchString

// isLicence reports whether a file is a licence; a module needs one.
var isLicence = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([-.].*)?$`).MatchString

// notices returns the licences of everything that is in the program for a target.
func (t target) notices() ([]byte, error) {
	list, err := output(t.goTool("list", "-deps", "-json=Dir,Standard,Module", "./cmd/livemap"))
	if err != nil {
		return nil, err
	}
	packages, err := packagesOf(list)
	if err != nil {
		return nil, err
	}
	goroot, err := output(t.goTool("env", "GOROOT"))
	if err != nil {
		return nil, err
	}
	text := []byte("What is linked into livemap, and the terms of each part.\n\n")
	text, err = appendNotices(text, packages, module{"Go", runtime.Version(), strings.TrimSpace(goroot), false})
	if err != nil {
		return nil, err
	}
	page, err := npm()
	if err != nil {
		return nil, err
	}
	return append(append(text, "The map page holds these npm packages.\n\n"...), page...), nil
}

// packagesOf reads what go list printed.
func packagesOf(list string) (packages []linked, err error) {
	for decoder := json.NewDecoder(strings.NewReader(list)); ; {
		var p linked
		switch err := decoder.Decode(&p); err {
		case nil:
			packages = append(packages, p)
		case io.EOF:
			return packages, nil
		default:
			return nil, err
		}
	}
}

// appendNotices appends the notices of the modules that packages come from, and of Go itself. A
// folder between a package and the root of its module may have notices of its own.
func appendNotices(dst []byte, packages []linked, itself module) ([]byte, error) {
	modules := map[string]module{itself.Path: itself}
	folders := map[string]map[string]bool{itself.Path: {itself.Dir: true}}
	for _, p := range packages {
		if p.Standard || p.Module == nil || p.Module.Main {
			continue
		}
		m := *p.Module
		if modules[m.Path] = m; folders[m.Path] == nil {
			folders[m.Path] = map[string]bool{m.Dir: true}
		}
		for dir := p.Dir; len(dir) > len(m.Dir); dir = filepath.Dir(dir) {
			folders[m.Path][dir] = true
		}
	}
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		m, licensed := modules[path], false
		title := m.Path + " " + m.Version
		dst = fmt.Appendf(dst, "%s\n%s\n\n", title, strings.Repeat("=", len(title)))
		for _, dir := range slices.Sorted(maps.Keys(folders[path])) {
			entries, err := os.ReadDir(dir)
			if err != nil {
				return nil, err
			}
			for _, entry := range entries {
				if entry.IsDir() || !isNotice(entry.Name()) || filepath.Ext(entry.Name()) == ".go" {
					continue
				}
				text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
				if err != nil {
					return nil, err
				}
				if part, _ := filepath.Rel(m.Dir, dir); part != "." {
					dst = fmt.Appendf(dst, "Of %s:\n\n", filepath.ToSlash(part))
				}
				licensed = licensed || isLicence(entry.Name()) && dir == m.Dir
				dst = fmt.Appendf(dst, "%s\n\n", bytes.TrimSpace(text))
			}
		}
		if !licensed {
			return nil, fmt.Errorf("%s has no licence", title)
		}
	}
	return dst, nil
}
