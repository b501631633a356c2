package api

import (
	"errors"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"livemap/api/problem"
	"livemap/stream"
)

// Metrics are the Prometheus metrics of a process. Labels have fixed sets of values: never a topic, a
// vehicle or a path.
type Metrics struct {
	registry    *prometheus.Registry
	publishes   *prometheus.CounterVec
	rejected    atomic.Uint64 // positions
	publishTime prometheus.Histogram
	writeDelay  prometheus.Histogram
	open        *prometheus.GaugeVec
	closed      *prometheus.CounterVec
	panics      prometheus.Counter
	migrations  prometheus.Counter
	cut         *prometheus.CounterVec // connections
	unsaved     prometheus.Counter
	keyReloads  *prometheus.CounterVec

	stalledAnswers, readsRefused prometheus.Counter

	journalEntries, journalCommit prometheus.Histogram // registered with a hub that has a journal
}

// delays are the bounds of the histograms, in seconds: from those of an idle hub to those of a
// stalled one.
var delays = []float64{
	.0001, .00025, .0005, .001, .0025, .005, .01, .02, .03, .05, .1, .25, .5, 1, 2.5, 5, 10,
}

// NewMetrics returns the metrics of a process. [Metrics.Watch] adds those of its hub.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		publishes: counters("publishes_total",
			"Publish requests by result: ok, partial (some positions rejected), refused (all rejected), "+
				"limited (over --publish-rate, or too many uploads), invalid (unreadable or too large), unavailable.",
			"result"),
		publishTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "livemap_publish_duration_seconds", Buckets: delays,
			Help: "Seconds from the header of a JSON or GeoJSON publish until its last position is in the log."}),
		writeDelay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "livemap_publish_to_write_seconds", Buckets: delays,
			Help: "Seconds from logging a position to writing it to a stream, for the oldest of each write."}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "livemap_streams_open", Help: "Open streams by protocol: h1, h2, h3."}, []string{"protocol"}),
		closed: counters("streams_closed_total",
			"Closed streams by reason: client, stalled, write, draining, expired, too-many, memory, panic.", "reason"),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "livemap_panics_total", Help: "Requests and streams that ended in a panic."}),
		migrations: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "livemap_http3_migrations_total",
			Help: "HTTP/3 connections whose client address changed, sampled once a second."}),
		cut: counters("connections_cut_total",
			"Connections that the hub closed by reason: handshake, request (none in time), idle (no further one), "+
				"address (too many without a request), full (no room), gone (no acknowledgement), shutdown.",
			"reason"),
		unsaved: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "livemap_state_save_failures_total", Help: "Failed attempts to save the vehicles."}),
		keyReloads: counters("jwt_key_reloads_total",
			"Changes of the --jwt-key file by result: ok, failed (it holds no key; the old one counts).", "result"),
	}
	m.stalledAnswers = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "livemap_answers_stalled_total",
		Help: "Answers other than streams that were cut because their reader did not read."})
	m.readsRefused = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "livemap_reads_refused_total",
		Help: "Snapshots, vehicles and tracks refused because too many were under way."})
	m.registry.MustRegister(m.publishes, m.stalledAnswers, m.readsRefused, m.publishTime, m.writeDelay, m.open,
		m.closed, m.panics, m.migrations, m.cut, m.unsaved, m.keyReloads,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.journalEntries = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "livemap_journal_entries_per_message", Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256},
		Help: "Entries of each message that this hub posted to the journal."})
	m.journalCommit = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "livemap_journal_commit_seconds", Buckets: delays,
		Help: "Seconds from posting a message to the journal until it came back and was applied."})
	for _, protocol := range []string{"h1", "h2", "h3"} {
		m.open.WithLabelValues(protocol)
	}
	// Else the first of each would be no increase to Prometheus.
	for _, result := range []string{"ok", "failed"} {
		m.keyReloads.WithLabelValues(result)
	}
	for _, result := range []string{"ok", "partial", "refused", "limited", "invalid", "unavailable"} {
		m.publishes.WithLabelValues(result)
	}
	for _, reason := range []string{
		"client", "stalled", "write", "draining", "expired", "too-many", "memory", "panic",
	} {
		m.closed.WithLabelValues(reason)
	}
	for _, reason := range []string{"handshake", "request", "idle", "address", "full", "gone", "shutdown"} {
		m.cut.WithLabelValues(reason)
	}
	return m
}

func counters(name, help, label string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "livemap_" + name, Help: help}, []string{label})
}

// WriteDelay observes how long an event waited to be written. It is for the Delay of
// [stream.Config].
func (m *Metrics) WriteDelay(d time.Duration) { m.writeDelay.Observe(d.Seconds()) }

// Commit observes a message of the journal. It is for the Commit of [stream.Config].
func (m *Metrics) Commit(entries int, d time.Duration) {
	m.journalEntries.Observe(float64(entries))
	m.journalCommit.Observe(d.Seconds())
}

// Migrated counts HTTP/3 connections whose client moved to another address (RFC 9000, section 9).
func (m *Metrics) Migrated(moves int) { m.migrations.Add(float64(moves)) }

// Cut counts a connection that the hub closed though its client might have stayed. It is for the Cut
// of the listener's counters, which has the reasons.
func (m *Metrics) Cut(reason string) { m.cut.WithLabelValues(reason).Inc() }

// Unsaved counts one failure to save the vehicles.
func (m *Metrics) Unsaved() { m.unsaved.Inc() }

// Build says of which version the program is, in the labels of a metric. Call it once.
func (m *Metrics) Build(version string) {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "livemap_build_info",
		Help:        "Always 1; the labels say which version of the program and of Go this is.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()}})
	build.Set(1)
	m.registry.MustRegister(build)
}

// KeyReloaded counts that the file of the key was read again, because it had changed; err: it held none.
func (m *Metrics) KeyReloaded(err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.keyReloads.WithLabelValues(result).Inc()
}

// Watch adds the metrics of a hub. Call it once.
func (m *Metrics) Watch(hub *stream.Hub) {
	m.registry.MustRegister(hubCollector{hub, m})
	if hub.HasJournal() {
		m.registry.MustRegister(journalCollector{hub}, m.journalEntries, m.journalCommit)
	}
}

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// hubCollector reads a hub's statistics at each scrape.
type hubCollector struct {
	hub     *stream.Hub
	metrics *Metrics
}

var (
	positionsDesc = describe("positions_total",
		"Received positions by result: accepted (the vehicle's newest), late, duplicate, rejected.", "result")
	writtenDesc     = describe("events_written_total", "Events written to streams.")
	conflationsDesc = describe("conflations_total",
		"Catch-ups of streams with newest positions instead of every position.")
	logBytesDesc   = describe("log_bytes", "Bytes of memory of the event log, including its index.")
	logEventsDesc  = describe("log_events", "Events in the log.")
	logSecondsDesc = describe("log_seconds", "Seconds that the log reaches back.")
	vehiclesDesc   = describe("vehicles", "Known vehicles by state: present, gone.", "state")
	topicsDesc     = describe("topics", "Topics that publishers named and that have vehicles or events.")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("livemap_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (c hubCollector) Describe(descs chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(c, descs)
}

// Collect implements prometheus.Collector.
func (c hubCollector) Collect(metrics chan<- prometheus.Metric) {
	s := c.hub.Stats()
	send := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, kind, value, labels...)
	}
	send(positionsDesc, prometheus.CounterValue, float64(s.Accepted), "accepted")
	send(positionsDesc, prometheus.CounterValue, float64(s.Late), "late")
	send(positionsDesc, prometheus.CounterValue, float64(s.Duplicate), "duplicate")
	send(positionsDesc, prometheus.CounterValue, float64(c.metrics.rejected.Load()), "rejected")
	send(writtenDesc, prometheus.CounterValue, float64(s.Written))
	send(conflationsDesc, prometheus.CounterValue, float64(s.Conflations))
	send(logBytesDesc, prometheus.GaugeValue, float64(s.LogBytes))
	send(logEventsDesc, prometheus.GaugeValue, float64(s.LogEvents))
	send(logSecondsDesc, prometheus.GaugeValue, s.LogSpan.Seconds())
	send(vehiclesDesc, prometheus.GaugeValue, float64(s.Vehicles), "present")
	send(vehiclesDesc, prometheus.GaugeValue, float64(s.Gone), "gone")
	send(topicsDesc, prometheus.GaugeValue, float64(s.Topics))
}

// resultOf returns the label that a publish is counted under.
func resultOf(taken *problem.Ack, err error) string {
	p, isProblem := errors.AsType[*problem.Problem](err)
	switch {
	case err == nil && (taken == nil || taken.Rejected == 0):
		return "ok"
	case err == nil:
		return "partial"
	case isProblem && p.Status == http.StatusServiceUnavailable:
		return "unavailable"
	case isProblem && p.Status == http.StatusTooManyRequests:
		return "limited"
	case isProblem && (len(p.Errors) > 0 || p.Status == http.StatusForbidden):
		return "refused"
	}
	return "invalid"
}
