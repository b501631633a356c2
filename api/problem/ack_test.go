package problem_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"livemap/api/problem"
)

func TestAckAdds(t *testing.T) {
	a := problem.Ack{Status: "PARTIAL", Accepted: 1, Rejected: 20, Late: 300, Duplicate: 4000,
		LastEventID: "e-1", Errors: []problem.Refusal{{Index: 1}}}
	b := problem.Ack{Accepted: 5, Rejected: 5, Late: 5, Duplicate: 5}
	assert.Equal(t, problem.Ack{Accepted: 6, Rejected: 25, Late: 305, Duplicate: 4005}, a.Add(b))
	assert.Equal(t, 4021, a.Total(), "late positions are among the accepted")
}
