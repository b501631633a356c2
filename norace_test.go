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

var (
	testName = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	// allocations matches what holds only without the race detector: with it, sync.Pool drops items
	// at random.
	allocations = regexp.MustCompile(`\.(AllocsPerRun|Mallocs|TotalAlloc)\b`)
	// raceSkip matches how a test could find out that it runs with the race detector.
	raceSkip = regexp.MustCompile(`"-race"\s*, Value|raceEnabled \|\||if raceDetector`)
)

// TestNoraceFiles checks that a test has one home: a *_norace_test.go if it needs to run without the race
// detector, else another file. `make tests` runs the former without it, and all others with it.
func TestNoraceFiles(t *testing.T) {
	out, err := exec.Command("make", "--no-print-directory", "--dry-run", "tests").Output()
	if err != nil {
		t.Skip("make cannot say what it would run: ", err)
	}
	raceless, _, found := strings.Cut(string(out), "-race ")
	require.True(t, found, string(out))
	tests := 0
	for _, path := range goFiles(t) {
		if !strings.HasSuffix(path, "_test.go") || path == "norace_test.go" {
			continue
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		tagged := strings.HasPrefix(string(text), "//go:build !race\n")
		assert.Equal(t, strings.HasSuffix(path, "norace_test.go"), tagged, "%s: name and build constraint", path)
		assert.NotRegexp(t, raceSkip, string(text), path)
		if !tagged {
			assert.NotRegexp(t, allocations, string(text), "%s measures allocations with the race detector", path)
			continue
		}
		for _, name := range testName.FindAllStringSubmatch(string(text), -1) {
			assert.Regexp(t, `[(|]`+name[1]+`[|)]`, raceless, "%s, which make tests does not run", path)
			assert.Regexp(t, ` \./`+filepath.ToSlash(filepath.Dir(path))+`/\s`, raceless, "make tests")
			tests++
		}
	}
	require.Greater(t, tests, 5)
}
