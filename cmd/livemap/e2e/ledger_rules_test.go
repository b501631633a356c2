package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The ledger's readers notice each fault of a hub. Numbers are positions of a vehicle; words are
// events, or the mode of a `live`.
func TestLedgerNotices(t *testing.T) {
	for _, test := range []struct{ told, wrong string }{
		{"reset new 3 snapshot 4 5", ""},
		{"reset new 3 snapshot 4 4", "4 after 4"},
		{"reset new 3 snapshot 4 3", "3 after 4"},
		{"reset new 3 snapshot 4 6", "without a word"},
		{"reset new 3 snapshot 4 6 conflated", "newest positions"},
		{"reset new 3 snapshot 4 5 6 replay 7", ""},
		{"reset new 3 snapshot 5 6 replay 7", "in a replay"},
		{"reset new 3 snapshot 4 4 replay", "4 after 4"},
		{"reset new 3 snapshot 9 reset behind 10 snapshot", ""},
		{"reset new 3 snapshot 4 reset epoch 2 snapshot 3", ""},
		{"reset new 3 snapshot 4 reset epoch 2 snapshot 4", "without a word"},
		{"reset new 3 snapshot late", "late"},
	} {
		t.Run(test.told, func(t *testing.T) {
			r := newLedgerReader(nil, "")
			var err error
			words := strings.Fields(test.told)
			for i := 0; i < len(words) && err == nil; i++ {
				e := wireEvent{data: fmt.Sprintf(`{"properties":{"vehicle_id":"V1","n":%s}}`, words[i])}
				switch words[i] {
				case "reset":
					i++
					e = wireEvent{name: "reset", data: fmt.Sprintf(`{"reason":%q}`, words[i])}
				case "snapshot", "replay", "conflated":
					e = wireEvent{name: "live", data: fmt.Sprintf(`{"mode":%q}`, words[i])}
				case "late":
					e.name = "late"
				}
				err = r.take(e)
			}
			if err == nil {
				_, _, err = r.state()
			}
			if test.wrong == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.wrong)
		})
	}
}
