package problem

// Ack answers a publish. Accepted includes late positions and excludes duplicates, so Accepted +
// Duplicate + Rejected counts every position.
type Ack struct {
	Status      string    `json:"status"` // OK, or PARTIAL when the hub refused some
	Accepted    int       `json:"accepted"`
	Rejected    int       `json:"rejected"`
	Late        int       `json:"late"`
	Duplicate   int       `json:"duplicate"`
	LastEventID string    `json:"last_event_id"`
	Ended       string    `json:"ended,omitempty"`  // why the hub ended an upload: draining, expired, …
	Errors      []Refusal `json:"errors,omitempty"` // the first hundred
	Hints       []string  `json:"hints,omitempty"`  // about members probably meant as others
}

// Total returns how many positions the Ack is about. Where a hub that goes down stopped
// reading, they are fewer than were sent.
func (a Ack) Total() int { return a.Accepted + a.Duplicate + a.Rejected }

// Add returns the counts of both, and nothing else of either.
func (a Ack) Add(b Ack) Ack {
	return Ack{
		Accepted: a.Accepted + b.Accepted, Rejected: a.Rejected + b.Rejected,
		Late: a.Late + b.Late, Duplicate: a.Duplicate + b.Duplicate,
	}
}

// Refusal says why the hub refused one position.
type Refusal struct {
	Index     int    `json:"index"` // of the item, from 0; in NDJSON its line, from 1
	VehicleID string `json:"vehicle_id,omitempty"`
	Field     string `json:"field,omitempty"`
	Detail    string `json:"detail"`
}
