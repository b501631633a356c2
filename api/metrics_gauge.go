package api

import "github.com/prometheus/client_golang/prometheus"

// gauge is a figure that is read at each scrape.
type gauge struct {
	desc *prometheus.Desc
	read func() (value float64, known bool)
}

// Describe implements prometheus.Collector.
func (g gauge) Describe(descs chan<- *prometheus.Desc) { descs <- g.desc }

// Collect implements prometheus.Collector.
func (g gauge) Collect(metrics chan<- prometheus.Metric) {
	if value, known := g.read(); known {
		metrics <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, value)
	}
}

// WatchMemory adds whether memory is short, as [Config.Full] says.
func (m *Metrics) WatchMemory(full func() bool) {
	m.registry.MustRegister(gauge{describe("memory_short",
		"1 while memory is short and new streams are turned away, else 0."), func() (float64, bool) {
		if full() {
			return 1, true
		}
		return 0, true
	}})
}

// WatchKeyframe adds the age of the newest state that a hub left beside the journal, in seconds. While read
// does not know it, the metric is left out.
func (m *Metrics) WatchKeyframe(read func() (age float64, known bool)) {
	m.registry.MustRegister(gauge{describe("journal_keyframe_age_seconds",
		"Seconds since a hub last left its state beside the journal, for hubs that have none."), read})
}

// WatchCertificate adds when the certificate of a flag ends, in Unix seconds. While read does not know it,
// the metric is left out.
func (m *Metrics) WatchCertificate(flag string, read func() (ends float64, known bool)) {
	m.registry.MustRegister(gauge{prometheus.NewDesc("livemap_certificate_ends_seconds",
		"When the certificate of that flag ends, in Unix seconds.", nil, prometheus.Labels{"flag": flag}), read})
}
