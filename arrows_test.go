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

// An arrow allows the package in folder from to import to: a package of ours by its folder, or a
// library of [fenced] by its import path.
type arrow struct{ from, to, why string }

// arrows is the whole layout: an import of ours or of a fenced library that is not listed is
// forbidden, and an arrow that nobody uses has to go.
var arrows = []arrow{
	{"geo", orb, "points, boxes and GeoJSON geometry are orb's"},

	{"geo/geofence", "geo", "a fence is made of points"},

	{"stream", "geo", "an event is a position's Feature, and boxes filter"},
	{"stream", "geo/geofence", "the rules by which a fence judges positions"},

	{"stream/jetstream", "stream", "a journal is stream's"},
	{"stream/jetstream", "stream/lockdir", "one hub has a journal's directory"},
	{"stream/jetstream", nats, "the engine of the journal"},

	{"api", "api/ingest", "POST /publish hands positions over"},
	{"api", "api/problem", "errors leave as problems"},
	{"api", "api/token", "tokens say who may read and publish"},
	{"api", "api/transport", "streams leave through it"},
	{"api", "stream", "subscribes and reads"},
	{"api", "geo", "boxes in queries, errors of documents"},
	{"api", "geo/geofence", "reads fences and says what is wrong with them"},
	{"api", chi, "the router"},
	{"api/ingest", "api/problem", "an Ack and its refusals"},
	{"api/ingest", "api/token", "a grant says which vehicles may be published"},
	{"api/ingest", "stream", "publishes"},
	{"api/ingest", "geo", "positions and why one is refused"},
	{"api/transport", "stream", "writes what a subscription hands out"},
	{"api/token", jwt, "signatures and claims"},
	{"api/token", "api/regular", "a key is a file, not a pipe"},
	{"web", "api/regular", "an archive is a file, not a pipe"},

	{"cmd/livemap", "cmd/livemap/server", "serve and demo run a hub"},
	{"cmd/livemap", "cmd/livemap/listen", "flags hold addresses to listen on"},
	{"cmd/livemap", "cmd/livemap/client", "commands that talk to a hub"},
	{"cmd/livemap", "cmd/livemap/simulator", "simulate and demo"},
	{"cmd/livemap", "cmd/livemap/streets", "the demo's city"},
	{"cmd/livemap", "cmd/livemap/recording", "replay"},
	{"cmd/livemap", "cmd/livemap/bench", "bench"},
	{"cmd/livemap", "cmd/livemap/authority", "token --make-ca"},
	{"cmd/livemap", "stream", "settings of the journal are flags"},
	{"cmd/livemap", "cmd/livemap/journal", "the command of that name"},
	{"cmd/livemap/journal", "cmd/livemap/server", "speaks to a hub, and knows its state directory"},
	{"cmd/livemap/journal", "stream", "applies the journal"},
	{"cmd/livemap/journal", "stream/jetstream", "reads the journal's files"},
	{"cmd/livemap/authority", "api/regular", "a certificate is a file, not a pipe"},
	{"cmd/livemap", "api/problem", "replay adds up the Acks of its publishes"},
	{"cmd/livemap", "api/token", "token makes keys and tokens"},
	{"cmd/livemap", "geo", "tail checks its box before it asks a hub"},
	{"cmd/livemap", kong, "flags"},
	{"cmd/livemap/server", "", "the hub serves openapi.yaml, which stands at the top"},
	{"cmd/livemap/server", "api", "what the ports serve"},
	{"cmd/livemap/server", "api/problem", "answers while the hub waits for its journal"},
	{"cmd/livemap/server", "api/token", "reads the keys that verify tokens"},
	{"cmd/livemap/server", "cmd/livemap/listen", "opens the ports"},
	{"cmd/livemap/server", "api/regular", "the state is files, not pipes"},
	{"cmd/livemap/server", "stream", "the hub"},
	{"cmd/livemap/server", "stream/lockdir", "one hub has the state directory"},
	{"cmd/livemap/server", "stream/jetstream", "the journal of the state directory"},
	{"cmd/livemap/server", "web", "the map page"},
	{"cmd/livemap/server", systemd, "readiness and watchdog"},
	{"cmd/livemap/listen", "api/transport", "HTTP/3 streams taken over"},
	{"cmd/livemap/listen", "api/regular", "a certificate is a file, not a pipe"},
	{"cmd/livemap/listen", quic, "HTTP/3"},
	{"cmd/livemap/listen", systemd, "passed sockets"},
	{"cmd/livemap/client", "api/problem", "reads Acks and problems"},
	{"cmd/livemap/client", quic, "tail follows over HTTP/3"},
	{"cmd/livemap/simulator", "cmd/livemap/streets", "half of a fleet may drive in a real city"},
	{"cmd/livemap/recording", "geo", "a recorded timestamp has the forms that a hub takes"},

	// The benchmark knows the hub from the outside only.
	{"cmd/livemap/bench", "cmd/livemap/bench/client", "opens streams"},
	{"cmd/livemap/bench", "cmd/livemap/bench/floor", "runs the floors"},
	{"cmd/livemap/bench", "cmd/livemap/bench/measure", "measures scenarios"},
	{"cmd/livemap/bench", "cmd/livemap/bench/process", "starts hubs and load processes"},
	{"cmd/livemap/bench", "cmd/livemap/bench/report", "prints outcomes"},
	{"cmd/livemap/bench", "cmd/livemap/bench/target", "primes hubs and reads their metrics"},
	{"cmd/livemap/bench", "cmd/livemap/bench/workload", "says what is published"},
	{"cmd/livemap/bench/client", "cmd/livemap/bench/floor", "the protocol that the floor of QUIC speaks"},
	{"cmd/livemap/bench/client", "cmd/livemap/bench/process", "how many files may be open"},
	{"cmd/livemap/bench/client", "cmd/livemap/bench/workload", "what must arrive, and when it was due"},
	{"cmd/livemap/bench/client", quic, "streams over HTTP/3"},
	{"cmd/livemap/bench/floor", "api/problem", "a floor answers with an Ack"},
	{"cmd/livemap/bench/floor", "cmd/livemap/bench/process", "a clock that processes share"},
	{"cmd/livemap/bench/floor", "cmd/livemap/bench/workload", "what a floor writes"},
	{"cmd/livemap/bench/floor", chi, "an empty handler is what publishing is measured against"},
	{"cmd/livemap/bench/floor", quic, "the floor of HTTP/3"},
	{"cmd/livemap/bench/measure", "cmd/livemap/bench/client", "counts deliveries"},
	{"cmd/livemap/bench/measure", "cmd/livemap/bench/process", "processor time and memory"},
	{"cmd/livemap/bench/measure", "cmd/livemap/bench/target", "metrics of hubs"},
	{"cmd/livemap/bench/measure", "cmd/livemap/bench/workload", "what was to be delivered"},
	{"cmd/livemap/bench/report", "cmd/livemap/bench/client", "delays of deliveries"},
	{"cmd/livemap/bench/report", "cmd/livemap/bench/measure", "outcomes"},
	{"cmd/livemap/bench/target", "api/problem", "reads Acks and problems"},
	{"cmd/livemap/bench/target", "cmd/livemap/bench/client", "connections to a hub"},
	{"cmd/livemap/bench/target", "cmd/livemap/bench/floor", "a floor is a target too"},
	{"cmd/livemap/bench/target", "cmd/livemap/bench/process", "a hub of its own"},
	{"cmd/livemap/bench/target", "cmd/livemap/bench/workload", "what is published"},
}

// Libraries that one package, or few, may know.
const (
	chi     = "github.com/go-chi/chi"
	jwt     = "github.com/golang-jwt/jwt"
	kong    = "github.com/alecthomas/kong"
	nats    = "github.com/nats-io"
	orb     = "github.com/paulmach/orb"
	quic    = "github.com/quic-go/quic-go"
	systemd = "github.com/coreos/go-systemd"
)

var fenced = []string{chi, jwt, kong, nats, orb, quic, systemd}

// never lists packages of the standard library that would turn a layer upside down.
var never = []arrow{
	{"geo", "net/http", "a position has no transport"},
	{"stream", "net", "a subscription writes to whatever it is given"},
	{"stream", "net/http", "the hub serves no HTTP; api does"},
	{"api/ingest", "net/http", "devices and files publish without HTTP too"},
}

// TestArrows fails for an import that is not allowed, and for an arrow that nobody uses.
func TestArrows(t *testing.T) {
	used := map[arrow]bool{}
	folders := map[string]bool{}
	for _, file := range sources(t) {
		from := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(file)), ".")
		folders[from] = true
		for _, to := range imports(t, file) {
			require.Empty(t, matching(never, from, to), "%s imports %s", file, to)
			if !isOurs(to) && fence(to) == "" {
				continue
			}
			found := matching(arrows, from, to)
			require.NotEmpty(t, found, "%s imports %s, which no arrow allows", file, to)
			used[found[0]] = true
		}
	}
	for _, a := range arrows {
		require.NotEmpty(t, a.why, "%s → %s has no reason", a.from, a.to)
		require.True(t, used[a], "the arrow %s → %s is allowed, and nobody uses it", a.from, a.to)
	}
	for _, a := range never {
		require.True(t, folders[a.from], "%s must never import %s, but is no package", a.from, a.to)
	}
}

// matching returns the arrows of a list that an import follows.
func matching(list []arrow, from, to string) (found []arrow) {
	for _, a := range list {
		path := a.to
		if isOurs(to) {
			path = strings.TrimSuffix("livemap/"+a.to, "/")
		}
		if a.from == from && (to == path || !isOurs(to) && fence(a.to) != "" && fence(to) == a.to) {
			found = append(found, a)
		}
	}
	return found
}

// isOurs reports whether an import path is of this module.
func isOurs(path string) bool { return path == "livemap" || strings.HasPrefix(path, "livemap/") }

// fence returns the fenced library that an import path belongs to, "" for none.
func fence(path string) string {
	i := slices.IndexFunc(fenced, func(library string) bool {
		return path == library || strings.HasPrefix(path, library+"/")
	})
	if i < 0 {
		return ""
	}
	return fenced[i]
}

// sources returns the Go files of the module that are no tests.
func sources(t *testing.T) []string {
	return slices.DeleteFunc(goFiles(t), func(path string) bool { return strings.HasSuffix(path, "_test.go") })
}

// goFiles returns the Go files of the module.
func goFiles(t *testing.T) (files []string) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		name := filepath.Base(path)
		skipped := name == "node_modules" || name == "testdata" || strings.HasPrefix(name, ".") && path != "."
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped:
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go"):
			files = append(files, path)
		}
		return nil
	})
	require.NoError(t, err)
	return files
}

func imports(t *testing.T, file string) (paths []string) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	require.NoError(t, err)
	for _, spec := range parsed.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		paths = append(paths, path)
	}
	return paths
}
