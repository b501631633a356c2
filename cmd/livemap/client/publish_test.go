package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/api/problem"
)

// scriptedHub answers one request after the other, without a network.
type scriptedHub struct {
	answers []*http.Response
	bodies  []string // of the requests
}

func (h *scriptedHub) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	h.bodies = append(h.bodies, string(body))
	if len(h.bodies) > len(h.answers) {
		return nil, errors.New("the script has ended")
	}
	return h.answers[len(h.bodies)-1], nil
}

func answer(status int, body any) *http.Response {
	text, _ := json.Marshal(body)
	return &http.Response{
		StatusCode: status,
		Header:     http.Header{"Content-Type": {problem.ContentType}},
		Body:       io.NopCloser(strings.NewReader(string(text))),
	}
}

// published is the outcome of one Publish of the lines a to e.
type published struct {
	ack     problem.Ack
	refused []string
	notices []string
	bodies  []string
	err     error
}

func publish(t *testing.T, answers ...*http.Response) (p published) {
	synctest.Test(t, func(t *testing.T) {
		hub := &scriptedHub{answers: answers}
		publisher := NewPublisher(Hub{Transport: hub}, func(format string, args ...any) {
			p.notices = append(p.notices, fmt.Sprintf(format, args...))
		})
		lines := [][]byte{[]byte("a"), []byte("b"), []byte("c"), []byte("d"), []byte("e")}
		p.ack, p.err = publisher.Publish(t.Context(), lines, func(i int, detail string) {
			p.refused = append(p.refused, string(lines[i])+" "+detail)
		})
		p.bodies = hub.bodies
	})
	return p
}

func refusals(at ...int) (list []problem.Refusal) {
	for _, i := range at {
		list = append(list, problem.Refusal{Index: i, Detail: "no"})
	}
	return list
}

// Publish sends the rest to a hub that answers for the first lines only. It reports a refusal
// there by the index of the line among all lines.
func TestPublishSendsTheRest(t *testing.T) {
	p := publish(t,
		answer(200, problem.Ack{Accepted: 1, Rejected: 1, Late: 1, Errors: refusals(2)}),
		answer(422, problem.Problem{Errors: refusals(1)}),
		answer(200, problem.Ack{Rejected: 1, Duplicate: 1, Errors: refusals(0, 2, 3)}))
	require.NoError(t, p.err)
	assert.Equal(t, []string{"a\nb\nc\nd\ne\n", "c\nd\ne\n", "d\ne\n"}, p.bodies)
	assert.Equal(t, []string{"b no", "c no", "e no"}, p.refused, "an index out of range belongs to no line")
	assert.Equal(t, problem.Ack{Accepted: 1, Rejected: 3, Late: 1, Duplicate: 1}, p.ack)
	assert.Empty(t, p.notices)
}

// Each hint of a hub is shown once, safe for a terminal.
func TestPublishShowsHints(t *testing.T) {
	p := publish(t,
		answer(200, problem.Ack{Accepted: 2, Hints: []string{"speed", "alt\x1b"}}),
		answer(200, problem.Ack{Accepted: 3, Hints: []string{"speed", "ts"}}))
	require.NoError(t, p.err)
	assert.Equal(t, []string{
		"livemap: hint of the hub: speed", "livemap: hint of the hub: alt\ufffd", "livemap: hint of the hub: ts",
	}, p.notices)
	assert.Equal(t, problem.Ack{Accepted: 5}, p.ack)
}

// The Acks before an error count.
func TestPublishStops(t *testing.T) {
	p := publish(t,
		answer(200, problem.Ack{Accepted: 3}),
		answer(503, problem.Problem{Detail: "draining"}),
		answer(401, problem.Problem{Detail: "the token has expired"}))
	assert.EqualError(t, p.err, "the hub answered 401 Unauthorized: the token has expired")
	assert.Equal(t, problem.Ack{Accepted: 3}, p.ack)
	assert.Equal(t, []string{
		"livemap: : the hub answered 503 Service Unavailable: draining; waiting for it",
	}, p.notices)
}

// Publish of no lines sends nothing.
func TestPublishNothing(t *testing.T) {
	hub := &scriptedHub{}
	ack, err := NewPublisher(Hub{Transport: hub}, nil).Publish(t.Context(), nil, nil)
	require.NoError(t, err)
	assert.Zero(t, ack.Total())
	assert.Empty(t, hub.bodies)
}
