package listen

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/require"

	"livemap/api/transport"
)

// endlessStreams takes streams over, and writes to each as fast as it can until it ends. It reports the
// errors that end them.
func endlessStreams(size int, stall time.Duration) (handler http.Handler, ended chan error) {
	ended = make(chan error, 100)
	event := make([]byte, size)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := TakeOverHTTP3(w, r, transport.WriteTimeout{Stall: stall}).(*http3Stream)
		go func() {
			for {
				if _, err := s.put(event); err != nil {
					s.Close(true)
					ended <- err
					return
				}
			}
		}()
	}), ended
}

// TestHTTP3StreamsShareTheirConnection checks that no stream waits for another to end, whatever the client
// says of their priorities. Firefox says u=4.
func TestHTTP3StreamsShareTheirConnection(t *testing.T) {
	config := serverTLS()
	for name, test := range map[string]struct{ header, update string }{
		"without a priority":       {},
		"Firefox":                  {header: "u=4"},
		"Chromium":                 {header: "u=1, i"},
		"not incremental":          {header: "u=4, i=?0"},
		"updated":                  {header: "u=4, i", update: "u=4"},
		"updated, never said":      {update: "u=3, i=?0"},
		"the first is more urgent": {header: "u=4", update: "u=0"},
		"malformed":                {header: `u=9,i;u=",`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handler, _ := endlessStreams(700, time.Hour)
				_, client := quicAcross(t, &slowLink{rate: 20_000}, config, nil, handler)
				var streams [3]*quic.Stream
				var received [3]atomic.Int64
				for i := range streams {
					streams[i] = client.get(test.header)
					client.read(streams[i], &received[i], 0)
				}
				time.Sleep(10 * time.Second)
				if test.update != "" {
					client.updatePriority(streams[0], test.update)
				}
				time.Sleep(10 * time.Second)
				before := [3]int64{received[0].Load(), received[1].Load(), received[2].Load()}
				time.Sleep(time.Minute)
				for i := range streams {
					got := received[i].Load() - before[i]
					t.Logf("stream %d: %d bytes", i, got)
					require.Greater(t, got, int64(20_000*60/3/2), "a fair share, more or less")
				}
			})
		})
	}
}

// TestUrgencyIsTheClients checks which urgency an event stream keeps.
func TestUrgencyIsTheClients(t *testing.T) {
	for value, want := range map[string]int8{
		"": 3, "i": 3, "u=0": 0, "u=7, i": 7, "i, u=4": 4, "u=2;x=1,i": 2, "u=1, u=5": 5, "u=8": 3, "u=-1": 3,
		"u": 3, "u=": 3, "u=44": 3, "U=1": 3, "xu=1": 3,
	} {
		header := http.Header{}
		if value != "" {
			header.Set("Priority", value)
		}
		require.Equal(t, want, urgencyOf(header), value)
	}
	require.Equal(t, int8(6), urgencyOf(http.Header{"Priority": {"i", "u=6"}}), "in two lines")
}

// TestSlowHTTP3ReaderIsNotStalled checks that a reader who takes more than transport.MaxWrite bytes in the
// stall timeout stays, be it the link or the reader that is slow, and that one who takes less does not.
func TestSlowHTTP3ReaderIsNotStalled(t *testing.T) {
	config := serverTLS()
	const stall = 30 * time.Second
	const fast = 1 << 20
	narrow := &quic.Config{InitialStreamReceiveWindow: 16 << 10, MaxStreamReceiveWindow: 16 << 10}
	for _, test := range []struct {
		name    string
		client  *quic.Config
		streams int
		link    int // bytes per second
		reader  int // bytes per second of each; 0: as fast as they come
		stays   bool
	}{
		{"link of 2,000 B/s", nil, 1, 2000, 0, true},
		{"link of 5,000 B/s, two streams", nil, 2, 5000, 0, true},
		{"link of 1,000 B/s", nil, 1, 1000, 0, true},
		{"link of 3,000 B/s, three streams", nil, 3, 3000, 0, true},
		{"link of 400 B/s", nil, 1, 400, 0, false},
		{"reader of 2,000 B/s", narrow, 1, fast, 2000, true},
		{"reader of 700 B/s", narrow, 1, fast, 700, true},
		{"reader of 400 B/s", narrow, 1, fast, 400, false},
	} {
		for _, size := range []int{700, 5000, transport.MaxWrite} {
			if !test.stays && size < transport.MaxWrite {
				continue // a reader has the timeout for each write, and those to one that is behind are long
			}
			t.Run(fmt.Sprint(test.name, ", ", size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					handler, ended := endlessStreams(size, stall)
					link := &slowLink{rate: fast}
					_, client := quicAcross(t, link, config, test.client, handler)
					link.slowDown(test.link)
					received := make([]atomic.Int64, test.streams)
					for i := range received {
						client.read(client.get(""), &received[i], test.reader)
					}
					time.Sleep(10 * time.Minute)
					if !test.stays {
						require.Len(t, ended, test.streams)
						return
					}
					for len(ended) > 0 {
						t.Error(<-ended)
					}
					for i := range received {
						require.Greater(t, int(received[i].Load()), 10*60*cmp.Or(test.reader, test.link/test.streams)*2/3)
					}
				})
			})
		}
	}
}

// TestHTTP3ReaderWhoDoesNotReadIsStalled checks that a reader that takes nothing any more has the stall
// timeout, and not more for what QUIC accepted before.
func TestHTTP3ReaderWhoDoesNotReadIsStalled(t *testing.T) {
	config := serverTLS()
	const stall = 30 * time.Second
	for _, window := range []uint64{16 << 10, 17 << 10, 24 << 10, 64 << 10} {
		for _, size := range []int{700, transport.MaxWrite} {
			synctest.Test(t, func(t *testing.T) {
				handler, ended := endlessStreams(size, stall)
				_, client := quicAcross(t, &slowLink{rate: 1 << 20}, config,
					&quic.Config{InitialStreamReceiveWindow: window, KeepAlivePeriod: time.Second}, handler)
				client.get("")
				time.Sleep(stall - time.Second)
				require.Empty(t, ended)
				time.Sleep(2 * time.Second)
				require.Len(t, ended, 1)
				require.ErrorIs(t, <-ended, transport.ErrStalled)
			})
		}
	}
}

// TestHTTP3EndsWithoutClientsThatVanished checks how long a port waits for clients that do not close their
// connections: a little for one that could, and no longer for one that is gone, with a stream or without.
func TestHTTP3EndsWithoutClientsThatVanished(t *testing.T) {
	config := serverTLS()
	for name, test := range map[string]struct {
		vanished, stream bool
		ends             time.Duration // of a stream; 0: when its client is gone
		took             time.Duration
	}{
		"stays":                        {took: closeTime},
		"vanished":                     {vanished: true, took: closeTime},
		"stays, its stream ends":       {stream: true, ends: 4 * time.Second, took: 4*time.Second + closeTime},
		"vanished, its stream is full": {vanished: true, stream: true, took: vanishedTime},
		"stays, its stream never ends": {stream: true, took: 8 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				link := &slowLink{rate: 1 << 20}
				handler := http.Handler(http.NotFoundHandler())
				streams, ended := endlessStreams(700, time.Hour)
				if test.stream {
					handler = streams
				}
				if test.ends > 0 {
					handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						s := TakeOverHTTP3(w, r, transport.WriteTimeout{})
						time.AfterFunc(time.Second+test.ends, func() { s.Close(false) })
					})
				}
				port, client := quicAcross(t, link, config, &quic.Config{KeepAlivePeriod: time.Second}, handler)
				stream := client.get("")
				gone := make(chan error, 1)
				go func() {
					_, err := io.Copy(io.Discard, stream)
					gone <- err
				}()
				time.Sleep(time.Second)
				if test.vanished {
					link.vanish()
				}
				ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
				defer cancel()
				began := time.Now()
				port.shutdown(ctx)
				require.InDelta(t, test.took, time.Since(began), float64(100*time.Millisecond))
				if test.stream && test.ends == 0 {
					require.ErrorIs(t, <-ended, transport.ErrGone)
				}
				client.conn.CloseWithError(0, "")
				if err := <-gone; !test.stream && !test.vanished || test.ends > 0 {
					require.NoError(t, err, "the response was complete")
				}
			})
		})
	}
}
