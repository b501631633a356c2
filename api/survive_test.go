package api_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
)

// TestWhatIsPublishedSurvives publishes positions with all that a publisher may send, in each form. What
// the hub accepts, the next hub knows.
func TestWhatIsPublishedSurvives(t *testing.T) {
	h := assemble(t)
	random := rand.New(rand.NewPCG(13, 2))
	var items []string
	for depth := geo.MaxDepth - 6; depth <= geo.MaxDepth+1; depth++ {
		deep := `"deep":` + strings.Repeat(`[`, depth) + strings.Repeat(`]`, depth)
		objects := `"deep":` + strings.Repeat(`{"a":`, depth) + `1` + strings.Repeat(`}`, depth)
		items = append(items, at(fmt.Sprint("deep", depth), 1, 2, deep))
		items = append(items, at(fmt.Sprint("objects", depth), 1, 2, objects))
	}
	for size := geo.MaxFeature - 250; size < geo.MaxFeature; size++ {
		items = append(items, at(fmt.Sprint("large", size), 1, 2, `"x":"`+strings.Repeat("<", size)+`"`))
	}
	for n := range 3000 {
		items = append(items, randomItem(random, n))
	}
	accepted := 0
	for i, item := range items {
		form := i % len(forms)
		if i < 300 {
			for form := range forms {
				accepted += publishAs(t, h, form, item)
			}
			continue
		}
		accepted += publishAs(t, h, form, item)
	}
	require.Greater(t, accepted, 1000, "else it tests nothing")
	survives(t, h)
}

// forms are the ways to publish one position object or Feature.
var forms = []struct{ media, before, after string }{
	{"application/json", "", ""},
	{"application/json", "[", "]"},
	{"application/x-ndjson", "", "\n"},
	{"application/geo+json", "", ""},
	{"application/geo+json", `{"type":"FeatureCollection","features":[`, "]}"},
}

// publishAs publishes an item and returns how many positions the hub accepted.
func publishAs(t *testing.T, h *hub, form int, item string) (accepted int) {
	t.Helper()
	f := forms[form]
	got := publish(t, h, f.media, []byte(f.before+item+f.after))
	if got.Code != 200 {
		return 0
	}
	return ackOf(t, got.Body.String()).Accepted
}

// randomItem returns a position object or a Feature, some of them wrong, with members that are awkward to
// keep.
func randomItem(random *rand.Rand, n int) string {
	pick := func(texts ...string) string { return texts[random.IntN(len(texts))] }
	name := pick("x", "id", "type", "geometry", "properties", "coordinates", "topics", "altitude", "timestamp",
		"silent", "feature", "vehicles", "gone", `a\u0000b`, `\ud83d\ude00`, "ü\u2028", "\u0085", "heading",
		"speed_kmh", "accuracy", "crc32c", "\ufeff", "<&>")
	value := pick(`1`, `-0`, `1e999`, `360`, `359.9999999999999999999`, `null`, `true`, `"\ud800"`,
		`"<&>\u2028\u0000"`, "\"\u2028\u2029\u0085\ufeff\"", `[]`, `{}`, `[1,[2]]`, `{"a": [ 1 , {"a":1,"a":2} ]}`,
		`"Feature"`, `["x","y","x"]`, `["`+strings.Repeat(`\"`, 120)+`"]`, `12345678901234567890123`,
		`1795421061123.456`, `"2026-11-23T10:04:21.25+01:00"`, `0.000000001`, `[[[{"b":"}"}]]]`)
	id := pick(`"a"`, fmt.Sprintf(`"%d"`, n), fmt.Sprint(n), `-0`, `"\ud83d\ude00"`,
		`"`+strings.Repeat("ü", 64)+`"`, `"\"\\/"`, `"\u0041 b"`, "\"a\u2028b\"",
		"\"\ufeffa\"", `" a "`, "\"e\u0301\"")
	lat := pick(`1`, `-90`, `90.0`, `5.2e1`, `-0`, `0.1234567890123456789012345`, `89.99999999999999999999`)
	lon := pick(`2`, `-180`, `180`, `1.8e2`, `179.99999999999999999999`, `-0.0`)
	more := []string{fmt.Sprintf(`"%s":%s`, name, value), fmt.Sprintf(`"n":%d`, n)}
	if random.IntN(2) == 0 {
		more = append(more, `"topics":`+pick(`["x"]`, `[]`, `["\u2028<\""]`, `["x","x","ü"]`, `null`))
	}
	random.Shuffle(len(more), func(i, j int) { more[i], more[j] = more[j], more[i] })
	members := strings.Join(more, ",")
	if random.IntN(2) == 0 {
		return fmt.Sprintf(`{"vehicle_id":%s,"lat":%s,"lon":%s,%s}`, id, lat, lon, members)
	}
	return fmt.Sprintf(`{"type":"Feature","id":%s,"geometry":{"type":"Point","coordinates":[%s,%s%s]},`+
		`"properties":{%s},"foreign":[{}]}`, id, lon, lat, pick("", ",3", ",-1e300"), members)
}

// silence matches what differs between two saves of the same state.
var silence = regexp.MustCompile(`"silent":\d+|,"crc32c":"[0-9a-f]+"`)

// savedVehicles saves the state of a hub and returns its lines that tell of vehicles, in a fixed order.
func savedVehicles(t *testing.T, h *stream.Hub) (state string, lines []string) {
	t.Helper()
	var text bytes.Buffer
	require.NoError(t, h.Save(&text))
	lines = strings.Split(silence.ReplaceAllString(text.String(), ""), "\n")
	slices.Sort(lines[1:]) // behind the header, which has the time
	return text.String(), lines[1:]
}

// survives checks that another hub restores all that this one saves.
func survives(t *testing.T, h *hub) {
	t.Helper()
	state, want := savedVehicles(t, h.Hub)
	next := stream.New(stream.Config{})
	defer next.Close()
	loaded, err := next.Load(strings.NewReader(state))
	require.NoError(t, err)
	require.NoError(t, loaded.Reason)
	require.Zero(t, loaded.Skipped)
	_, got := savedVehicles(t, next)
	require.Equal(t, want, got)
	require.Equal(t, h.Stats().Vehicles, next.Stats().Vehicles)
}
