package api

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"livemap/stream"
)

// journalCollector reads the figures of a hub's journal at each scrape.
type journalCollector struct{ hub *stream.Hub }

// lifeWait is how long a scrape waits for the journal's own figures. They are left out after it.
const lifeWait = time.Second

var (
	appliedDesc = describe("journal_applied", "Newest message of the journal that this hub has applied.")
	storedDesc  = describe("journal_stored", "Newest message of the journal that is known to be stored.")
	lagDesc     = describe("journal_lag_seconds",
		"Age of the newest applied message while newer ones are stored, in seconds; 0: nothing is behind.")
	inflightDesc = describe("journal_inflight_messages", "Messages posted to the journal and not yet applied.")
	resentDesc   = describe("journal_resent_total", "Messages posted to the journal again, as they may be lost.")
	ignoredDesc  = describe("journal_ignored_total",
		"Messages of this hub that were passed over: applied before, or out of turn.")
	differDesc = describe("journal_digest_mismatch_total",
		"How often hubs were found to have different states. It must stay 0.")
	restartsDesc = describe("journal_follow_restarts_total", "How often the hub had to follow the journal anew.")
	freshDesc    = describe("journal_fresh",
		"1 while the hub can prove that it is up to date, 0 while it is frozen.")
	firstDesc   = describe("journal_first_seq", "Oldest message that the journal holds.")
	secondsDesc = describe("journal_seconds", "Seconds that the journal reaches back.")
	bytesDesc   = describe("journal_bytes", "Bytes of the messages that the journal holds.")
	freeDesc    = describe("journal_disk_free_bytes",
		"Bytes that the journal's disk has left for this process.")
)

// Describe implements prometheus.Collector.
func (c journalCollector) Describe(descs chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(c, descs)
}

// Collect implements prometheus.Collector.
func (c journalCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lifeWait)
	defer cancel()
	s, _ := c.hub.JournalStats(ctx)
	gauge := func(desc *prometheus.Desc, value float64) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	counter := func(desc *prometheus.Desc, value uint64) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value))
	}
	fresh := 0.0
	if s.Fresh {
		fresh = 1
	}
	gauge(appliedDesc, float64(s.Applied))
	gauge(storedDesc, float64(s.Stored))
	gauge(lagDesc, s.Lag.Seconds())
	gauge(inflightDesc, float64(s.InFlight))
	gauge(freshDesc, fresh)
	counter(resentDesc, s.Resent)
	counter(ignoredDesc, s.Ignored)
	counter(restartsDesc, s.Restarts)
	alarms, _ := c.hub.StatesDiffer()
	counter(differDesc, alarms)
	if !s.Known {
		return
	}
	gauge(firstDesc, float64(s.Life.First))
	gauge(bytesDesc, float64(s.Life.Bytes))
	if !s.Life.Oldest.IsZero() {
		gauge(secondsDesc, time.Since(s.Life.Oldest).Seconds())
	}
	if s.Life.Free > 0 {
		gauge(freeDesc, float64(s.Life.Free))
	}
}
