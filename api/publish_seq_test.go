package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestPublishSeq publishes each number of a source once: item i of a request has Publish-Seq plus i, those
// that the hub refuses counted.
func TestPublishSeq(t *testing.T) {
	h := start(t)
	publish := func(media string, seq int, items ...string) ack {
		body := strings.Join(items, "\n")
		if media == "application/json" {
			body = "[" + strings.Join(items, ",") + "]"
		}
		got := ask(t, h.client, "POST", h.internal.URL+"/publish", strings.NewReader(body), "Content-Type", media,
			"Publish-Source", "gps", "Publish-Seq", fmt.Sprint(seq))
		assert.Equal(t, http.StatusOK, got.StatusCode, got.body)
		return ackOf(t, got.body)
	}
	const wrong = `{"vehicle_id":"x","lat":91,"lon":0}`
	for i, media := range []string{"application/json", "application/x-ndjson"} {
		base := 10 * i
		first := publish(media, base+1, at("a", 1, base), wrong, at("b", 1, base), at("c", 1, base))
		assert.Equal(t, 3, first.Accepted, media)
		again := publish(media, base+1, at("a", 1, base+1), wrong, at("b", 1, base+1), at("c", 1, base+1))
		assert.Equal(t, [3]int{0, 3, 1}, [3]int{again.Accepted, again.Duplicate, again.Rejected}, media)
		next := publish(media, base+4, at("a", 1, base+2), at("b", 1, base+2))
		assert.Equal(t, [2]int{1, 1}, [2]int{next.Accepted, next.Duplicate},
			"%s: the refused item had a number", media)
	}
	blank := publish("application/x-ndjson", 31, at("a", 1, 31), "", "", at("b", 1, 31))
	assert.Equal(t, 2, blank.Accepted)
	next := publish("application/x-ndjson", 33, at("a", 1, 32))
	assert.Equal(t, 1, next.Accepted, "blank lines have no number")
}

// TestPublishSeqHeaders rejects headers that are wrong, with what is allowed.
func TestPublishSeqHeaders(t *testing.T) {
	h := start(t)
	numbered := func(source, seq string) []string {
		return []string{"Publish-Source", source, "Publish-Seq", seq}
	}
	for want, headers := range map[string][]string{
		"has one Publish-Source and one Publish-Seq":      {"Publish-Source", "gps"},
		"one Publish-Seq, which is the number of its":     {"Publish-Seq", "1"},
		"Publish-Source is \"a b\"; it must be 1 to 64":   numbered("a b", "1"),
		"Publish-Source is \"\"":                          numbered("", "1"),
		"of the characters A-Z a-z 0-9 . _ -":             numbered(strings.Repeat("a", 65), "1"),
		"Publish-Seq is \"0\"; it must be a whole number": numbered("gps", "0"),
		"Publish-Seq is \"-1\"":                           numbered("gps", "-1"),
		"Publish-Seq is \"+1\"":                           numbered("gps", "+1"),
		"Publish-Seq is \"1.5\"":                          numbered("gps", "1.5"),
		"from 1 to 9223372036854775807":                   numbered("gps", "9223372036854775808"),
	} {
		headers = append(headers, "Content-Type", "application/json")
		got := ask(t, h.client, "POST", h.internal.URL+"/publish", strings.NewReader(at("a", 1, 2)), headers...)
		refused(t, got, http.StatusBadRequest, want)
	}
	assert.Zero(t, h.Stats().Vehicles)
}
