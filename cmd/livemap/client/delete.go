package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// deletePatience is how long a hub may be away before DeleteVehicles gives up. One that restarts is back by
// then.
const deletePatience = 5 * time.Second

// DeleteVehicles deletes the vehicles of a topic, as far as the token may publish for them, and returns how
// many. While the hub is away it tries again, or at the next of several hubs, for up to five seconds, and
// calls waits before each wait. An error is the last one then, or one that another try would not mend, such
// as a [Problem].
func (h Hub) DeleteVehicles(
	ctx context.Context, topic string, waits func(error, time.Duration),
) (deleted int, err error) {
	return backoff.Retry(ctx, func() (int, error) { return h.deleteOnce(ctx, topic) },
		backoff.WithBackOff(publishBackOff()), backoff.WithMaxElapsedTime(deletePatience),
		backoff.WithNotify(func(err error, wait time.Duration) {
			waits(err, wait)
			h.Address = h.Address.Next()
		}))
}

// deleteOnce sends one request. Its errors are those of [Publisher.post].
func (h Hub) deleteOnce(ctx context.Context, topic string) (deleted int, err error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	path := "/vehicles?" + url.Values{"topic": {topic}}.Encode()
	req, err := h.NewRequest(ctx, http.MethodDelete, path, nil)
	if err != nil {
		return 0, backoff.Permanent(err)
	}
	resp, err := publishClient(h.Transport).Do(req)
	switch {
	case err != nil:
		return 0, unreachable(h.Address, err)
	case resp.StatusCode != http.StatusOK:
		return 0, retriable(ReadProblem(resp))
	}
	defer resp.Body.Close()
	var answer struct{ Deleted *int }
	if err := json.NewDecoder(io.LimitReader(resp.Body, problemLimit)).Decode(&answer); err != nil {
		return 0, fmt.Errorf("the answer is cut off or not that of a hub: %w", err)
	}
	if answer.Deleted == nil {
		return 0, backoff.Permanent(errors.New("the answer does not say how many vehicles were deleted"))
	}
	return *answer.Deleted, nil
}
