// Command dist makes the archives of a release: the program, the documents, and the licences of all
// that is linked into it. It needs no network where the modules and npm packages are there.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// target is a system that an archive is for.
type target struct{ os, arch string }

var targets = []target{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "arm64"}}

// documents are the files of the repository that an archive has, beside every *.md.
var documents = []string{"LICENSE", "openapi.yaml", "Caddyfile", "deploy", "web/*.png", "BENCHMARKS.svg",
	"*-raw.txt"}

// npmNotices is what the page's build writes about the packages that the page embeds.
const npmNotices = "web/dist/lib/LICENSES.txt.gz"

func main() {
	log.SetFlags(0)
	log.SetPrefix("dist: ")
	out := flag.String("out", "bin/dist", "folder for the archives")
	version := flag.String("version", "devel", "version, which the archives are named by")
	at := flag.String("time", "", "time of the commit, in RFC 3339, which all files get")
	ldflags := flag.String("ldflags", "", "flags for the linker")
	flag.Parse()
	if err := makeAll(*out, strings.TrimPrefix(*version, "v"), *at, *ldflags); err != nil {
		log.Fatal(err)
	}
}

// makeAll makes an archive for each target, and the file of their checksums.
func makeAll(out, version, at, ldflags string) error {
	modified, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	files, err := repositoryFiles()
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, t := range targets {
		name := fmt.Sprintf("livemap_%s_%s_%s", version, t.os, t.arch)
		archive, err := t.archive(name, modified, ldflags, files)
		if err != nil {
			return fmt.Errorf("%s/%s: %w", t.os, t.arch, err)
		}
		if err := os.WriteFile(filepath.Join(out, name+".tar.gz"), archive, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s.tar.gz\n", sha256.Sum256(archive), name)
		log.Printf("%s.tar.gz, %d bytes", filepath.Join(out, name), len(archive))
	}
	return os.WriteFile(filepath.Join(out, "SHA256SUMS"), []byte(sums.String()), 0o644)
}

// repositoryFiles lists the documents, in order of their names.
func repositoryFiles() ([]string, error) {
	listed, err := output(exec.Command("git", append([]string{"ls-files", "--", "*.md"}, documents...)...))
	if err != nil {
		return nil, err
	}
	var files []string
	for _, name := range strings.Fields(listed) {
		if !strings.Contains(name, "testdata/") && !strings.HasPrefix(name, "deploy/dist/") {
			files = append(files, name)
		}
	}
	return files, nil
}

// archive builds the program for a target and packs it. The same sources make the same bytes.
func (t target) archive(name string, modified time.Time, ldflags string, files []string) ([]byte, error) {
	notices, err := t.notices()
	if err != nil {
		return nil, err
	}
	program, err := t.build(ldflags)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(z)
	add := func(file string, mode int64, text []byte) error {
		header := &tar.Header{Name: name + "/" + file, Mode: mode, Size: int64(len(text)), ModTime: modified,
			Format: tar.FormatPAX}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		_, err := w.Write(text)
		return err
	}
	if err := add("livemap", 0o755, program); err != nil {
		return nil, err
	}
	if err := add("NOTICES.txt", 0o644, notices); err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		mode := int64(0o644)
		if filepath.Ext(file) == ".sh" {
			mode = 0o755
		}
		if err := add(file, mode, text); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// build returns the program.
func (t target) build(ldflags string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "dist")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "livemap")
	_, err = output(t.goTool("build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w "+ldflags, "-o", file,
		"./cmd/livemap"))
	if err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// goTool is a call of Go for the target.
func (t target) goTool(args ...string) *exec.Cmd {
	goTool := os.Getenv("GO")
	if goTool == "" {
		goTool = "go"
	}
	cmd := exec.Command(goTool, args...)
	cmd.Env = append(os.Environ(), "GOOS="+t.os, "GOARCH="+t.arch, "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	return cmd
}

// output runs a command and returns what it printed.
func output(cmd *exec.Cmd) (string, error) {
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(cmd.Args[:2], " "), err)
	}
	return string(text), nil
}

// npm returns the licences of the packages that the page embeds.
func npm() ([]byte, error) {
	file, err := os.Open(npmNotices)
	if err != nil {
		return nil, fmt.Errorf("the licences of the page's npm packages are missing: %w", err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
