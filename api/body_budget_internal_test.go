package api

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/api/problem"
	"livemap/api/token"
)

// timelessRecorder accepts deadlines, and does not keep them.
type timelessRecorder struct{ *httptest.ResponseRecorder }

func (timelessRecorder) SetReadDeadline(time.Time) error { return nil }

// TestBodiesUnderWay reads documents of publishers until their bytes are too many, and gives them back.
func TestBodiesUnderWay(t *testing.T) {
	var budget bodyBudget
	body := make([]byte, maxBody)
	read := func(principal *principal) (*document, error) {
		r := httptest.NewRequest(http.MethodPost, "/publish", bytes.NewReader(body))
		if principal != nil {
			r = withPrincipal(r, principal)
		}
		d := &document{reader: budgetReader{request: r, budget: &budget}}
		err := d.read(timelessRecorder{httptest.NewRecorder()}, r)
		d.body = bytes.Buffer{} // this test needs no gigabyte
		return d, err
	}
	var held []*document
	fill := func(principal *principal) (count int) {
		for {
			d, err := read(principal)
			if held = append(held, d); err != nil {
				rejected, is := errors.AsType[*problem.Problem](err)
				require.True(t, is, err)
				require.Equal(t, http.StatusTooManyRequests, rejected.Status)
				require.Contains(t, rejected.Detail, "hold 256 MiB, the limit (64 MiB for one publisher)")
				return count
			}
			count++
		}
	}
	named := func(i int) *principal {
		return &principal{grant: &token.Grant{Subject: fmt.Sprint("gateway ", i)}}
	}
	require.Equal(t, 8, fill(named(0)), "64 MiB of one publisher")
	require.Equal(t, 24, fill(nil), "the rest of 256 MiB, without authentication")
	require.Zero(t, fill(named(1)))
	for _, d := range held {
		d.reader.release()
	}
	require.Zero(t, budget.all)
	require.Empty(t, budget.each)
}
