package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"livemap/api/problem"
)

// requireAll requires that the hub accepted so many positions, each as its
// vehicle's newest.
func requireAll(a problem.Ack, positions int) error {
	if a.Accepted == positions && a.Late == 0 {
		return nil
	}
	return fmt.Errorf("of %d positions the hub took {Accepted:%d Rejected:%d Late:%d Duplicate:%d}",
		positions, a.Accepted, a.Rejected, a.Late, a.Duplicate)
}

// poster publishes each event with a request of its own, one after the other, on a
// connection that is kept.
type poster struct {
	url         string
	contentType string
	header      http.Header
}

func (p *poster) publish(ctx context.Context, s schedule, body func(b []byte, n int, due time.Time) []byte) error {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var b []byte
	return s.pace(ctx, 0, func(n, _ int) error {
		b = body(b[:0], n, s.due(n))
		return p.send(ctx, client, b)
	})
}

func (p *poster) send(ctx context.Context, client *http.Client, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, values := range p.header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", p.contentType)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("publishing to %s: %s: %s", p.url, resp.Status, text)
	}
	return err
}

// upload publishes the events of a schedule in one open NDJSON upload, each line
// when it is due.
func upload(ctx context.Context, url string, s schedule, e events) (problem.Ack, error) {
	batch := time.Duration(0)
	if s.period < time.Second/4000 { // more than a process can send one by one
		batch = 5 * time.Millisecond
	}
	return uploadLines(ctx, url, func(w io.Writer) error {
		var lines []byte
		return s.pace(ctx, batch, func(from, to int) error {
			lines = lines[:0]
			for n := from; n < to; n++ {
				lines = append(e.appendPosition(lines, n, s.due(n)), '\n')
			}
			_, err := w.Write(lines)
			return err
		})
	})
}

// uploadLines publishes what write writes, as NDJSON.
func uploadLines(ctx context.Context, url string, write func(io.Writer) error) (ack problem.Ack, err error) {
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
