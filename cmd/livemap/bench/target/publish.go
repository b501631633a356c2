package target

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"livemap/api/problem"
	"livemap/cmd/livemap/bench/workload"
)

// RequireAll requires that the hub accepted so many positions, each as its
// vehicle's newest.
func RequireAll(a problem.Ack, positions int) error {
	if a.Accepted == positions && a.Late == 0 {
		return nil
	}
	return fmt.Errorf("for %d positions the hub returned {Accepted:%d Rejected:%d Late:%d Duplicate:%d}",
		positions, a.Accepted, a.Rejected, a.Late, a.Duplicate)
}

// Poster publishes each event with a request of its own, one after the other, on a
// connection that is kept.
type Poster struct {
	URL         string
	ContentType string
	Header      http.Header
}

// Publish publishes the events of a schedule, each when it is due.
func (p *Poster) Publish(
	ctx context.Context, s workload.Schedule, body func(b []byte, n int, due time.Time) []byte,
) error {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var b []byte
	return s.Pace(ctx, 0, func(n, _ int) error {
		b = body(b[:0], n, s.Due(n))
		return p.Send(ctx, client, b)
	})
}

// Send publishes one body; a status other than 2xx is an error.
func (p *Poster) Send(ctx context.Context, client *http.Client, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, values := range p.Header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", p.ContentType)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("publishing to %s: %s: %s", p.URL, resp.Status, text)
	}
	return err
}

// upload publishes the events of a schedule in one open NDJSON upload, each line
// when it is due.
func upload(ctx context.Context, url string, s workload.Schedule, e workload.Events) (problem.Ack, error) {
	batch := time.Duration(0)
	if s.Period < time.Second/4000 { // more than a process can send one by one
		batch = 5 * time.Millisecond
	}
	return UploadLines(ctx, url, func(w io.Writer) error {
		var lines []byte
		return s.Pace(ctx, batch, func(from, to int) error {
			lines = lines[:0]
			for n := from; n < to; n++ {
				lines = append(e.AppendPosition(lines, n, s.Due(n)), '\n')
			}
			_, err := w.Write(lines)
			return err
		})
	})
}

// UploadLines publishes what write writes, as NDJSON.
func UploadLines(ctx context.Context, url string, write func(io.Writer) error) (ack problem.Ack, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, lines := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return ack, err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	transport := &http.Transport{WriteBufferSize: 64 << 10}
	defer transport.CloseIdleConnections()
	go func() { lines.CloseWithError(write(lines)) }() // ends with the request
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return ack, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("publishing to %s: %s: %s", url, resp.Status, text)
	}
	if err == nil {
		err = json.Unmarshal(text, &ack)
	}
	return ack, err
}
