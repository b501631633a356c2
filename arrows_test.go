package livemap_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// arrows says which packages of ours a package may import, and which others
// only it may, and those that say so too.
var arrows = map[string]struct {
	ours []string
	only []string
}{
	"geo":         {only: []string{"github.com/paulmach/orb"}},
	"stream":      {ours: []string{"geo"}},
	"api":         {ours: []string{"api/problem", "api/token", "stream", "geo"}, only: []string{"github.com/go-chi/chi"}},
	"api/problem": {},
	"api/token":   {only: []string{"github.com/golang-jwt/jwt"}},
	"web":         {ours: []string{"stream", "geo"}},
	"cmd/livemap": {ours: []string{"", "api", "api/problem", "api/token", "web", "stream", "geo", "cmd/livemap/bench", "cmd/livemap/client", "cmd/livemap/recording", "cmd/livemap/simulator"}, only: []string{"github.com/quic-go/quic-go", "github.com/coreos/go-systemd"}},
	// It knows the hub from the outside only; an empty chi handler is what publishing is measured against.
	"cmd/livemap/bench":  {only: []string{"github.com/quic-go/quic-go", "github.com/go-chi/chi"}},
	"cmd/livemap/client": {ours: []string{"api/problem"}, only: []string{"github.com/quic-go/quic-go"}},
	// A recorded time is read and written as the hub does it.
	"cmd/livemap/recording": {ours: []string{"geo"}},
	"cmd/livemap/simulator": {},
	"":                      {},
}

// forbidden says what a package must know nothing of.
var forbidden = map[string][]string{
	"geo":    {"net/http", "livemap/stream"},
	"stream": {"net/http", "net"},
	"api":    {"github.com/quic-go/quic-go"},
}

// TestArrows keeps imports pointing one way: cmd → api, web → stream → geo.
func TestArrows(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != ".") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		dir := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), ".")
		seen[dir] = true
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		require.NoError(t, err)
		require.Contains(t, arrows, dir, "%s is in a package that the layout does not know", path)
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			checkArrow(t, path, dir, imported)
		}
		return nil
	})
	require.NoError(t, err)
	for dir := range arrows {
		require.True(t, seen[dir], "package %q of the layout was not found", dir)
	}
}

func checkArrow(t *testing.T, path, dir, imported string) {
	if imported == "livemap" || strings.HasPrefix(imported, "livemap/") {
		ours := strings.TrimPrefix(strings.TrimPrefix(imported, "livemap"), "/")
		require.True(t, slices.Contains(arrows[dir].ours, ours), "%s must not import %s", path, imported)
	}
	for other, rule := range arrows {
		for _, prefix := range rule.only {
			if other != dir && strings.HasPrefix(imported, prefix) && !slices.Contains(arrows[dir].only, prefix) {
				t.Errorf("%s imports %s, which only %s may", path, imported, other)
			}
		}
	}
	for _, prefix := range forbidden[dir] {
		if imported == prefix || strings.HasPrefix(imported, prefix+"/") {
			t.Errorf("%s imports %s, of which %s knows nothing", path, imported, dir)
		}
	}
}
