package server

import (
	"crypto/x509"
	"encoding/pem"

	"livemap/api"
	"livemap/api/regular"
	"livemap/stream"
)

// watch adds the metrics of a hub's parts.
func (c *Config) watch(metrics *api.Metrics, hub *stream.Hub, memory *pressure, journal *journal) {
	metrics.Watch(hub)
	metrics.WatchMemory(memory.high.Load)
	if journal != nil && journal.shared {
		metrics.WatchKeyframe(journal.keyframeAge)
	}
	for flag, file := range map[string]string{
		"tls-cert": c.Listen.TLSCert, "cluster-cert": c.Cluster.TLS.Cert, "journal-cert": c.JournalTLS.Cert,
	} {
		if file != "" {
			metrics.WatchCertificate(flag, func() (float64, bool) { return certificateEnd(file) })
		}
	}
}

// certificateEnd returns when the first certificate of a PEM file ends, in Unix seconds.
func certificateEnd(file string) (ends float64, known bool) {
	const most = 4 << 20 // bytes
	text, err := regular.Read(file, most)
	if err != nil {
		return 0, false
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return 0, false
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return 0, false
		}
		return float64(leaf.NotAfter.Unix()), true
	}
}
