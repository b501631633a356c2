package target

import (
	"context"
	"math"
	"net/http"

	metrics "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metrics are a hub's metrics, as Prometheus reads them.
type Metrics map[string]*metrics.MetricFamily

// Metrics reads the hub's metrics.
func (h *Hub) Metrics(ctx context.Context) (Metrics, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.Internal+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(resp.Body)
}

// Value sums a gauge or counter, over all labels.
func (m Metrics) Value(name string) (sum float64) {
	for _, one := range m[name].GetMetric() {
		sum += one.GetGauge().GetValue() + one.GetCounter().GetValue()
	}
	return sum
}

// QuantileSince estimates a quantile of what a histogram observed since an earlier
// reading, as Prometheus' histogram_quantile does; NaN if it observed nothing.
func (m Metrics) QuantileSince(earlier Metrics, name string, q float64) float64 {
	now, then := m.buckets(name), earlier.buckets(name)
	if now == nil || then == nil {
		return math.NaN()
	}
	total := now[len(now)-1].GetCumulativeCount() - then[len(then)-1].GetCumulativeCount()
	rank := q * float64(total)
	lower, below := 0.0, 0.0
	for i := range now {
		count := float64(now[i].GetCumulativeCount() - then[i].GetCumulativeCount())
		upper := now[i].GetUpperBound()
		if count >= rank && count > below {
			if math.IsInf(upper, 1) {
				return lower
			}
			return lower + (upper-lower)*(rank-below)/(count-below)
		}
		lower, below = upper, count
	}
	return math.NaN()
}

func (m Metrics) buckets(name string) []*metrics.Bucket {
	for _, one := range m[name].GetMetric() {
		return one.GetHistogram().GetBucket()
	}
	return nil
}
