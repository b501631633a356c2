package livemap_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// makeCopy is a folder with the Makefile and files, all of them empty.
func makeCopy(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	makefile, err := os.ReadFile("Makefile")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Makefile"), makefile, 0o644))
	for _, name := range files {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	return dir
}

// runMake runs make in a folder, as from a shell, and returns what it printed.
func runMake(t *testing.T, dir string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("make")
	if err != nil {
		t.Skip("NOT TESTED: there is no make here")
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{"--no-print-directory"}, args...)...)
	cmd.Dir = dir
	for _, variable := range os.Environ() {
		if !regexp.MustCompile(`^(MAKE\w*|MFLAGS|PREFIX|DESTDIR)=`).MatchString(variable) {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// make help names each target that CONTRIBUTING.md names, and make alone builds the program.
func TestMakeHelp(t *testing.T) {
	help := runMake(t, makeCopy(t), "help")
	contributing, err := os.ReadFile("CONTRIBUTING.md")
	require.NoError(t, err)
	named := regexp.MustCompile("`make ([a-z-]+)").FindAllStringSubmatch(string(contributing), -1)
	require.Greater(t, len(named), 8)
	for _, m := range named {
		assert.Regexp(t, `(?m)^`+m[1]+` +\S`, help)
	}
	assert.NotContains(t, help, "#")
	assert.Contains(t, runMake(t, ".", "--dry-run", "--always-make"), " -o livemap ./cmd/livemap")
}

func TestMakeInstall(t *testing.T) {
	for _, c := range []struct{ prefix, want string }{
		{"", "/usr/local/bin/livemap"},
		{"PREFIX=/opt/live map", "/opt/live map/bin/livemap"},
	} {
		dir, root := makeCopy(t, "livemap"), t.TempDir()
		args := []string{"install", "DESTDIR=" + root}
		if c.prefix != "" {
			args = append(args, c.prefix)
		}
		out := runMake(t, dir, args...)
		assert.NotContains(t, out, "go build", "what is there is not built anew")
		info, err := os.Stat(filepath.Join(root, c.want))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o755), info.Mode())
	}
	fresh := makeCopy(t, "web/package.json", "web/package-lock.json")
	assert.Contains(t, runMake(t, fresh, "--dry-run", "install"), "make build", "what is missing is built")
}

// make clean removes what the Makefile makes, and nothing of the user's.
func TestMakeClean(t *testing.T) {
	made := []string{"livemap", "bin/results/tests-race.json", "web/dist/lib/pmtiles.mjs.gz", "web/dist/.stamp",
		"web/node_modules/vue/package.json", "web/screenshots/map.png"}
	kept := []string{"hub.key", "cert.pem", "livemap.env", "web/dist/.gitignore", "cmd/livemap/main.go"}
	dir := makeCopy(t, append(made, kept...)...)
	runMake(t, dir, "clean")
	for _, name := range made {
		assert.NoFileExists(t, filepath.Join(dir, name))
	}
	for _, name := range kept {
		assert.FileExists(t, filepath.Join(dir, name))
	}
}

// Every system that other documents name is vetted by make check.
func TestMakeCheckOtherSystems(t *testing.T) {
	commands := runMake(t, ".", "--dry-run", "check")
	for _, system := range []string{"darwin", "windows", "freebsd"} {
		assert.Contains(t, commands, "GOOS="+system+" ")
	}
	assert.Contains(t, commands, "GOARCH=arm64 ")
	assert.Equal(t, 1, strings.Count(commands, "gofmt -l"))
}
