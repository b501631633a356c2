package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"livemap/cmd/livemap/client"
)

// healthCmd asks a hub whether it is ready, for container health checks and scripts.
type healthCmd struct {
	To      client.Address `default:"http://127.0.0.1:9801"`
	Timeout time.Duration  `default:"5s"`
	hubFlags
}

// healthHelp has the help texts of healthCmd.
var healthHelp = helpTexts{
	"timeout": "Longest wait for the answer.",
}

// Help returns what --help adds to the flags.
func (c *healthCmd) Help() string {
	return `Asks the hub's /readyz.

Exit status: 0 if the hub is ready; 1 if it is not, or if it does not answer; 2 for a mistake in the call.`
}

// Validate checks the flags; kong calls it.
func (c *healthCmd) Validate() error {
	if c.Timeout <= 0 {
		return fmt.Errorf("--timeout: %v is too short; it must be longer than 0s", c.Timeout)
	}
	if c.To.HasNext() {
		return errors.New("--to: health asks one hub; give one address")
	}
	return nil
}

// Run asks once.
func (c *healthCmd) Run(ctx context.Context, std streams) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	transport, err := c.transport(c.To)
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	req, err := c.hub(c.To, transport).NewRequest(ctx, http.MethodGet, "/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%v: no answer within %v", c.To, c.Timeout)
	case err != nil:
		return fmt.Errorf("%v: %w", c.To, client.Explain(err))
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%v is not ready: %w", c.To, client.ReadProblem(resp))
	}
	defer resp.Body.Close()
	_, err = fmt.Fprintf(std.out, "%v is ready\n", c.To)
	return err
}
