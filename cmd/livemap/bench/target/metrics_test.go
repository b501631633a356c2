package target

import (
	"math"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQuantileSince(t *testing.T) {
	read := func(counts string) Metrics {
		text := "# TYPE d histogram\n"
		for i, count := range strings.Fields(counts) {
			text += `d_bucket{le="` + []string{"0.01", "0.02", "+Inf"}[i] + `"} ` + count + "\n"
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		m, err := parser.TextToMetricFamilies(strings.NewReader(text))
		require.NoError(t, err)
		return m
	}
	assert.InDelta(t, 0.015, read("10 30 30").QuantileSince(read("10 10 10"), "d", 0.5), 1e-9)
	assert.InDelta(t, 0.0099, read("200 200 200").QuantileSince(read("100 100 100"), "d", 0.99), 1e-9)
	assert.InDelta(t, 0.02, read("0 0 5").QuantileSince(read("0 0 0"), "d", 0.99), 1e-9, "beyond the last bound nothing is known")
	assert.True(t, math.IsNaN(read("1 1 1").QuantileSince(read("1 1 1"), "d", 0.99)))
	assert.True(t, math.IsNaN(Metrics{}.QuantileSince(Metrics{}, "d", 0.99)))
}
