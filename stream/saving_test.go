package stream_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// writerFunc is a function as an io.Writer.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A save is the state of one moment, whatever happens while it is written: vehicles that move, repeat
// themselves, come, go, come back and make room.
func TestSaveIsOfOneMoment(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			const n = 500 // several writes
			h := start(t, stream.Config{Settings: settings(n, time.Hour), History: 256 << 10})
			filler := strings.Repeat("x", 300)
			churn := func() {
				id := fmt.Sprintf("v%d", random.IntN(2*n))
				stamp := time.Now().Unix() - int64(random.IntN(5))
				switch random.IntN(10) {
				case 0:
					h.Delete(id)
				case 1:
					time.Sleep(time.Duration(random.IntN(20)) * time.Second) // some expire
				default:
					publish(t, h, id, fmt.Sprintf(`"timestamp":%d,"filler":%q,"topics":["t%d"]`,
						stamp, filler, random.IntN(3)))
				}
			}
			for range 2 * n {
				churn()
			}
			want := save(t, h)
			require.Greater(t, strings.Count(want, "\n"), n/2)

			var got bytes.Buffer
			writes := 0
			require.NoError(t, h.Save(writerFunc(func(p []byte) (int, error) {
				writes++
				for range 100 {
					churn()
				}
				return got.Write(p)
			})))
			require.Greater(t, writes, 2)
			require.Equal(t, want, got.String())
			require.NotEqual(t, want, save(t, h), "it has changed since")
		})
	}
}

// Two saves at a time are of one moment each.
func TestSavesAtATime(t *testing.T) {
	h := start(t, stream.Config{})
	for i := range 1000 {
		publish(t, h, fmt.Sprintf("v%d", i), `"n":1`)
	}
	saved := make(chan string)
	for range 4 {
		go func() {
			var state bytes.Buffer
			if err := h.Save(&state); err != nil {
				panic(err)
			}
			saved <- state.String()
		}()
	}
	for i := range 1000 {
		publish(t, h, fmt.Sprintf("v%d", i), `"n":2`)
	}
	for range 4 {
		state := <-saved
		require.Equal(t, 1002, strings.Count(state, "\n"))
		moved := strings.Count(state, `"n":2`)
		for i := range 1000 { // those that had moved come last, in the order in which they moved
			require.Contains(t, state, fmt.Sprintf(`"vehicle_id":"v%d",`, i))
		}
		last := strings.LastIndex(state, `"n":1`)
		require.True(t, moved == 0 || last < strings.Index(state, `"n":2`), "a state that never was")
	}
}
