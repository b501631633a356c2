//go:build faults && linux

package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"golang.org/x/net/http2"
)

// calm waits until a hub is as it was before an attack: without streams but those
// of readers, and with as many goroutines.
func (h *runningHub) calm(t *testing.T, goroutines float64, readers int) {
	t.Helper()
	began := time.Now()
	await(t, "streams to be gone", func() bool { return h.openStreams(t) == float64(readers) })
	await(t, "goroutines to end", func() bool { return h.metric(t, "go_goroutines") <= goroutines+5 })
	t.Logf("%s later there are %v goroutines, %v before", time.Since(began).Round(10*time.Millisecond),
		h.metric(t, "go_goroutines"), goroutines)
}

// spent returns a function that returns the hub's processor time since the call, in seconds.
func (h *runningHub) spent(t *testing.T) func() float64 {
	t.Helper()
	before := h.metric(t, "process_cpu_seconds_total")
	return func() float64 { return h.metric(t, "process_cpu_seconds_total") - before }
}

// F38: clients open streams over HTTP/2 and reset them at once, as fast as they can.
func TestFaultRapidReset(t *testing.T) {
	hub := startHub(t, "--drain", "0s")
	book := &ledger{vehicles: 5, prefix: "V"}
	book.publish(t, hub)
	reader := book.follow(t, hub.client(t, "h2"), hub.public+"/stream")
	goroutines, memory, spent := hub.metric(t, "go_goroutines"), hub.resident(t), hub.spent(t)
	header := streamHeader(t)
	var attack sync.WaitGroup
	var opened, refused atomic.Int64
	for range 8 {
		attack.Go(func() {
			for range 20 {
				conn, framer := h2Conn(t, hub)
				conn.SetDeadline(time.Now().Add(e2eLimit))
				go io.Copy(io.Discard, conn)
				var err error
				for id := uint32(1); id < 10_000 && err == nil; id += 2 {
					err = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: header, EndStream: true,
						EndHeaders: true})
					if err == nil {
						err = framer.WriteRSTStream(id, http2.ErrCodeCancel)
					}
					opened.Add(1)
				}
				if err != nil {
					refused.Add(1)
				}
				conn.Close()
			}
		})
	}
	attack.Wait()
	t.Logf("%d streams opened and reset, %d of 160 connections cut off; %.1f s of processor; memory %.1f "+
		"MiB, %.1f before", opened.Load(), refused.Load(), spent(), hub.resident(t), memory)
	book.settle(t, hub, reader)
	hub.calm(t, goroutines, 1)
	assert.Equal(t, 1, reader.counts().opened)
	assert.Less(t, hub.resident(t), memory+300)
}

// F39: clients open streams over every protocol and go, some before they begin.
func TestFaultComeAndGo(t *testing.T) {
	hub := startHub(t, "--drain", "0s")
	book := &ledger{vehicles: 5, prefix: "V"}
	book.publish(t, hub)
	reader := book.follow(t, hub.client(t, "h1"), hub.public+"/stream")
	goroutines, spent := hub.metric(t, "go_goroutines"), hub.spent(t)
	stop := book.publishEvery(t, func() *runningHub { return hub }, 20*time.Millisecond)
	var coming sync.WaitGroup
	const each = 500
	for i := range 9 {
		client := hub.client(t, protocolNames[i%3])
		coming.Go(func() {
			for n := range each {
				ctx, cancel := context.WithCancel(context.Background())
				if n%3 == 0 {
					time.AfterFunc(time.Duration(n%50)*100*time.Microsecond, cancel)
				}
				s, err := client.open(ctx, hub.public+"/stream", "")
				if err == nil {
					s.next()
					s.close()
				}
				cancel()
			}
			client.http.CloseIdleConnections()
		})
	}
	coming.Wait()
	stop()
	t.Logf("%d streams came and went; %.1f s of processor", 9*each, spent())
	book.settle(t, hub, reader)
	hub.calm(t, goroutines+20, 1) // connections that are idle
}

// F42: headers that come a byte now and then, and handshakes that do not go on.
func TestFaultSlowHeaders(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--drain", "0s")
	book := &ledger{vehicles: 5, prefix: "V"}
	book.publish(t, hub)
	reader := book.follow(t, hub.client(t, "h1"), hub.public+"/stream")
	goroutines := hub.metric(t, "go_goroutines")
	var open sync.WaitGroup
	var longest atomic.Int64
	const each = 200
	for i := range 3 * each {
		open.Go(func() {
			address := strings.TrimPrefix(hub.proxy, "http://")
			if i >= each {
				address = strings.TrimPrefix(hub.public, "https://")
			}
			conn, err := net.Dial("tcp", address)
			if !assert.NoError(t, err) {
				return
			}
			defer conn.Close()
			began := time.Now()
			slow := io.Writer(conn)
			if i >= 2*each {
				secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
				if !assert.NoError(t, secure.Handshake()) {
					return
				}
				slow = secure
			}
			go func() { // a byte each second, of a header or of a handshake
				text := "GET /stream HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 200)
				if i >= each && i < 2*each {
					text = "\x16\x03\x01\x02\x00" + text
				}
				for n := range len(text) {
					if _, err := io.WriteString(slow, text[n:n+1]); err != nil {
						return
					}
					<-time.After(time.Second)
				}
			}()
			conn.SetReadDeadline(time.Now().Add(e2eLimit))
			_, err = io.Copy(io.Discard, conn)
			assert.False(t, errors.Is(err, os.ErrDeadlineExceeded), "it is not cut")
			took := int64(time.Since(began))
			before := longest.Load()
			for ; took > before && !longest.CompareAndSwap(before, took); before = longest.Load() {
			}
		})
	}
	stop := book.publishEvery(t, func() *runningHub { return hub }, 100*time.Millisecond)
	open.Wait()
	stop()
	t.Log(fmt.Sprintf("%d connections: all cut, the last after", 3*each),
		time.Duration(longest.Load()).Round(100*time.Millisecond))
	assert.Less(t, time.Duration(longest.Load()), time.Minute)
	book.settle(t, hub, reader)
	hub.calm(t, goroutines, 1)
}
