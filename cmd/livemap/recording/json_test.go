package recording

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJSONLayouts(t *testing.T) {
	feature := func(i int) string {
		return fmt.Sprintf(`{"type":"Feature","geometry":{"type":"Point","coordinates":[%d,52.5]},`+
			`"properties":{"vehicle_id":"T%d","timestamp":%d}}`, i, i, 1795420000+i)
	}
	indented := func(text string) string {
		var value any
		require.NoError(t, json.Unmarshal([]byte(text), &value))
		b, err := json.MarshalIndent(value, "", "  ")
		require.NoError(t, err)
		return string(b)
	}
	var features, positions []string
	for i := range 700 { // more than a buffer holds
		features = append(features, feature(i))
		positions = append(positions, at(fmt.Sprint("T", i), float64(i)))
	}
	snapshot := `{"type":"FeatureCollection","features":[` + strings.Join(features, ",") + "]}\n"
	byLine := `{"type":"FeatureCollection","name":"day",` + "\n\"features\":[\n" +
		strings.Join(features, ",\n") + "\n],\n\"bbox\":[1,2,3,4]}\n"
	behind := `{"features":[` + strings.Join(features, ",") + `],"type":"FeatureCollection"}`
	short := `{"type":"FeatureCollection","features":[` + strings.Join(features[:2], ",") + "]}\n"
	later := strings.Replace(short, strings.Join(features[:2], ","), features[2], 1)
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"a snapshot of a hub", snapshot, features},
		{"pretty-printed", indented(snapshot), features},
		{"a Feature on each line", byLine, features},
		{"its type behind", behind, features},
		{"a snapshot of each minute", short + later, features[:3]},
		{"an array", "[" + strings.Join(positions, ",") + "]", positions},
		{"an array by line", "[\n  " + strings.Join(positions, ",\n  ") + "\n]\n", positions},
		{"positions over several lines", indented(positions[0]) + "\n" + indented(positions[1]), positions[:2]},
		{"one Feature over several lines", indented(features[1]), features[1:2]},
		{"a brace on its line", "{\n" + positions[3][1:], positions[3:4]},
		{"lines", strings.Join(features, "\n"), features},
		{"text sequence", "\x1e" + strings.Join(features, "\n\x1e"), features},
	} {
		for _, extension := range []string{".json", ".geojson", ".ndjson", ".unknown", ".json.gz"} {
			t.Run(test.name+extension, func(t *testing.T) {
				for _, space := range []string{"", "\n \n"} {
					p, err := Open([]string{write(t, "day"+extension, space+test.text)}, nil)
					require.NoError(t, err)
					assert.Equal(t, len(test.want), p.Total())
					got := bodies(t, p)
					require.Len(t, got, len(test.want))
					for _, i := range []int{0, len(got) / 2, len(got) - 1} {
						require.JSONEq(t, test.want[i], got[i])
					}
					require.NotContains(t, strings.Join(got, ""), "\n")
				}
			})
		}
	}
}

// Lines stay lines where the first of them is broken.
func TestJSONLines(t *testing.T) {
	for _, test := range []struct{ name, first string }{
		{"no JSON", `{nonsense`},
		{"cut in a text", `{"vehicle_id":"A`},
		{"cut behind a comma", `{"vehicle_id":"A",`},
		{"cut behind a value", `{"vehicle_id":"A"`},
		{"nothing but a brace", `{`},
		{"a number", `17`},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := test.first + "\n" + at("B", 1) + "\n" + at("C", 2)
			p, err := Open([]string{write(t, "day.ndjson", text)}, nil)
			require.NoError(t, err)
			assert.Equal(t, []string{test.first, at("B", 1), at("C", 2)}, bodies(t, p))
		})
	}
}

// While a program writes, each position is read as soon as it is whole.
func TestJSONComesInParts(t *testing.T) {
	in, out := io.Pipe()
	defer in.Close()
	p, err := Open([]string{"-"}, in)
	require.NoError(t, err)
	write := func(text string) { go io.WriteString(out, text) }
	write(`{"type":"FeatureCollection","features":[` + "\n" + at("A", 1) + "\n")
	rec, err := p.Next()
	require.NoError(t, err)
	assert.Equal(t, at("A", 1), string(rec.Body))
	write("," + at("B", 2))
	rec, err = p.Next()
	require.NoError(t, err)
	assert.Equal(t, at("B", 2), string(rec.Body))
}

// What cannot be read names its line, and stops there.
func TestJSONRefused(t *testing.T) {
	for _, test := range []struct {
		name, text string
		line       int
		want       string
	}{
		{"broken", "[\n" + at("A", 1) + ",\n" + at("B", 2) + "\n" + at("C", 3) + "]", 4,
			"cannot read the rest: its JSON is broken: " +
				"invalid character '{' after array element (expecting ',' or ']')"},
		{"cut", "[\n" + at("A", 1) + ",\n" + at("B", 2) + ",\n{", 4,
			"cannot read the rest: the file ends in the middle; it was cut"},
		{"cut Feature", "{\"features\":[\n" + at("A", 1) + ",\n" + at("B", 2) + "\n", 4,
			"cannot read the rest: the file ends in the middle; it was cut"},
		{"a list of another name", "{\n\"positions\":[" + at("C", 3) + "]\n}", 1,
			"its positions are in a list called positions; put one on each line, " +
				"for example with: jq -c '.positions[]'"},
		{"Google Timeline", "{\n" + `"semanticSegments": [{"startTime":1}]}`, 2,
			"cannot read the rest: it is a Google Timeline, which replay does not read; convert it to GPX"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := Open([]string{write(t, "day.json", test.text)}, nil)
			require.NoError(t, err)
			var last Record
			for {
				rec, err := p.Next()
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				last = rec
			}
			assert.Equal(t, test.line, last.Line)
			assert.Equal(t, test.want, last.Refused)
		})
	}
}
