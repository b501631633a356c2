package measure

import (
	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/process"
	"livemap/cmd/livemap/bench/target"
)

// Connect is what it took to open the streams, all at once.
type Connect struct {
	Seconds float64      `json:"seconds"`       // until all were live
	CPU     *process.CPU `json:"cpu,omitempty"` // of the server, for each
}

// Result is what one server did under a load.
type Result struct {
	Subject  string  `json:"subject"` // hub, a floor or a peer
	Floor    bool    `json:"floor,omitempty"`
	Peer     bool    `json:"peer,omitempty"`
	Protocol string  `json:"protocol"`
	Streams  int     `json:"streams"`
	Rate     float64 `json:"events_per_second"`

	Deliveries int64         `json:"deliveries"` // in the window, each checked
	PerSecond  float64       `json:"deliveries_per_second"`
	CPU        *process.CPU  `json:"cpu_per_delivery,omitempty"`    // of the server
	Busy       float64       `json:"cpu_seconds_per_second"`        // of the server
	LoadBusy   float64       `json:"load_cpu_seconds_per_second"`   // of the clients and the publisher
	Others     float64       `json:"others_cpu_seconds_per_second"` // of all else on the machine
	Bytes      float64       `json:"bytes_per_delivery"`            // in TCP segments or UDP datagrams
	EventBytes float64       `json:"bytes_per_event"`               // of the event stream, without framing
	Chunked    bool          `json:"chunked,omitempty"`             // HTTP/1.1 framed the events
	Delay      *client.Delay `json:"delay,omitempty"`
	Connect    Connect       `json:"connect"`
	// Resident is the server's memory with all streams open, over that before, for
	// each, in KB (1000 bytes), MemoryAfter seconds after they were opened.
	Resident    *float64       `json:"resident_kb_per_stream,omitempty"`
	MemoryAfter float64        `json:"memory_after_seconds"`
	Faults      *client.Faults `json:"faults,omitempty"`
}

// Behind reports whether events went out together that should have been written one by one.
func (r *Result) Behind() bool {
	return r.Delay != nil && r.Rate <= target.PostRate && r.Delay.P50/1000 > 0.5/r.Rate
}

// connected works out what each stream cost: its processor time by the moment at which all
// were live, its memory by the moment at which that had settled.
func (r *Result) connected(before, live, settled target.Usage) {
	n := float64(r.Streams)
	r.Connect.CPU = live.CPU.Sub(before.CPU).Per(n)
	kb := float64(settled.Resident-before.Resident) / n / 1000
	r.Resident = &kb
}

// window works out what the deliveries between two moments cost; measured is that the
// server's processor time is known.
func (r *Result) window(first, last snapshot, measured bool) {
	r.Deliveries = last.received - first.received
	r.PerSecond = float64(r.Deliveries) / last.at.Sub(first.at).Seconds()
	if r.Deliveries > 0 {
		r.Bytes = float64(last.wire-first.wire) / float64(r.Deliveries)
		r.EventBytes = float64(last.text-first.text) / float64(r.Deliveries)
	}
	if measured {
		used := last.cpu.Sub(first.cpu)
		r.CPU = used.Per(float64(r.Deliveries))
		took := last.at.Sub(first.at).Seconds()
		r.Busy = used.Total.Seconds() / took
		r.LoadBusy = last.load.Sub(first.load).Total.Seconds() / took
		r.Others = max(0, (last.machine-first.machine).Seconds()/took-r.Busy-r.LoadBusy)
	}
}
