package target

import (
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func parse(t *testing.T, text string) Metrics {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	m, err := parser.TextToMetricFamilies(strings.NewReader(text))
	require.NoError(t, err)
	return m
}

// histogram returns a histogram d with bounds of 10 ms, 20 ms and none, and as many
// observations up to each.
func histogram(t *testing.T, counts string) Metrics {
	text := "# TYPE d histogram\n"
	for i, count := range strings.Fields(counts) {
		text += `d_bucket{le="` + []string{"0.01", "0.02", "+Inf"}[i] + `"} ` + count + "\n"
	}
	return parse(t, text)
}

func TestQuantileSince(t *testing.T) {
	for _, test := range []struct {
		name          string
		earlier, last string
		q             float64
		want          float64
	}{
		{"the middle of the second bucket", "10 10 10", "10 30 30", 0.5, 0.015},
		{"the whole first bucket", "100 100 100", "200 200 200", 0.99, 0.0099},
		{"two buckets, up to the first bound", "0 0 0", "50 100 100", 0.5, 0.01},
		{"two buckets, within the second", "0 0 0", "50 100 100", 0.75, 0.015},
		{"two buckets, the end", "0 0 0", "50 100 100", 1, 0.02},
		{"beyond the last bound nothing is known", "0 0 0", "0 0 5", 0.99, 0.02},
		{"half beyond the last bound", "0 0 0", "0 50 100", 0.25, 0.015},
		{"earlier ones do not count", "1000 1000 1000", "1000 1010 1010", 0.5, 0.015},
		{"nothing since", "1 1 1", "1 1 1", 0.99, math.NaN()},
	} {
		got := histogram(t, test.last).QuantileSince(histogram(t, test.earlier), "d", test.q)
		if math.IsNaN(test.want) {
			assert.True(t, math.IsNaN(got), test.name)
			continue
		}
		assert.InDelta(t, test.want, got, 1e-9, test.name)
	}
	assert.True(t, math.IsNaN(Metrics{}.QuantileSince(Metrics{}, "d", 0.99)))
	assert.True(t, math.IsNaN(histogram(t, "1 1 1").QuantileSince(Metrics{}, "d", 0.99)))
	assert.True(t, math.IsNaN(histogram(t, "1 1 1").QuantileSince(histogram(t, "0 0 0"), "other", 0.99)))
}

func TestValue(t *testing.T) {
	m := parse(t, "# TYPE g gauge\ng{a=\"1\"} 2.5\ng{a=\"2\"} 4\n# TYPE c counter\nc 7\n")
	assert.InDelta(t, 6.5, m.Value("g"), 1e-12)
	assert.InDelta(t, 7, m.Value("c"), 1e-12)
	assert.Zero(t, m.Value("none"))
}

func TestMetrics(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			w.Write([]byte("# TYPE g gauge\ng 3\n"))
		}
	}))
	defer s.Close()
	defer http.DefaultClient.CloseIdleConnections()
	m, err := (&Hub{Internal: s.URL}).Metrics(t.Context())
	require.NoError(t, err)
	assert.InDelta(t, 3, m.Value("g"), 1e-12)
}
