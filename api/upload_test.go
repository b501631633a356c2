package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// upload is an open NDJSON upload.
type upload struct {
	*io.PipeWriter
	answered chan *http.Response // nil: it failed
}

func begin(t *testing.T, client *http.Client, url string, headers ...string) *upload {
	t.Helper()
	body, lines := io.Pipe()
	t.Cleanup(func() { lines.Close() })
	r, err := http.NewRequestWithContext(t.Context(), "POST", url+"/publish", body)
	require.NoError(t, err)
	header(append([]string{"Content-Type", "application/x-ndjson"}, headers...)).set(r)
	u := &upload{lines, make(chan *http.Response, 1)}
	go func() {
		response, _ := client.Do(r)
		u.answered <- response
	}()
	return u
}

func (u *upload) line(t *testing.T, text string) {
	t.Helper()
	_, err := io.WriteString(u, text)
	require.NoError(t, err)
}

// ack waits for the answer, which must be an Ack.
func (u *upload) ack(t *testing.T) ack {
	t.Helper()
	response := <-u.answered
	require.NotNil(t, response)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode, string(text))
	return ackOf(t, string(text))
}

// TestLinesArePublishedAsTheyArrive reads each line on a stream before it sends the next.
func TestLinesArePublishedAsTheyArrive(t *testing.T) {
	h := start(t)
	h.put(t, at("first", 1, 2))
	for name, client := range map[string]*http.Client{"h1": h.client, "h2": h2(t)} {
		t.Run(name, func(t *testing.T) {
			s := h.subscribe(t, "/stream?snapshot=false")
			s.begun(t)
			u := begin(t, client, h.internal.URL)
			for n := range 3 {
				u.line(t, at(name, n, 1)[:5])
				u.line(t, at(name, n, 1)[5:]+"\n\n")
				require.Equal(t, name, s.brief(t))
			}
			require.NoError(t, u.Close())
			a := u.ack(t)
			require.Equal(t, []any{"OK", 3, h.Head().String()}, []any{a.Status, a.Accepted, a.LastEventID})
		})
	}
}

func TestLongLines(t *testing.T) {
	const limit = maxLine
	pad := longLine
	for _, c := range []struct {
		name, body string
		accepted   int
		refused    []int
	}{
		{"just allowed", pad(limit) + "\n" + at("b", 1, 2), 2, nil},
		{"just too long", pad(limit+1) + "\n" + at("b", 1, 2), 1, []int{1}},
		{"far too long", at("a", 1, 2) + "\n" + pad(10*limit) + "\n" + at("b", 1, 2) + "\n{}", 2, []int{2, 4}},
		{"blank, and too long", strings.Repeat(" ", 3*limit) + "\n" + at("b", 1, 2), 1, []int{1}},
		{"the last", at("b", 1, 2) + "\n" + pad(5*limit), 1, []int{2}},
		{"the last, just as much", at("b", 1, 2) + "\n" + pad(limit+1), 1, []int{2}},
		{"two in a row", pad(2*limit) + "\n" + pad(2*limit) + "\n" + at("b", 1, 2), 1, []int{1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := start(t)
			a := ackOf(t, h.post(t, "application/x-ndjson", c.body).body)
			require.Equal(t, c.accepted, a.Accepted)
			var lines []int
			for _, refused := range a.Errors {
				lines = append(lines, refused.Index)
				require.True(t, strings.Contains(refused.Detail, "longer than 65536 bytes") ||
					strings.Contains(refused.Detail, "missing"), refused.Detail)
			}
			require.Equal(t, c.refused, lines)
			require.Contains(t, h.vehicles(t), "b 1,2")
		})
	}
}

func TestLinesThatDoNotParse(t *testing.T) {
	h := start(t)
	for name, line := range map[string]string{
		"cut off": `{"vehicle_id":`, "NaN": `{"vehicle_id":"x","lat":NaN,"lon":1}`,
		"too deep": strings.Repeat("[", 65), "deepest": strings.Repeat("[", 60000), "two on a line": at("a", 1, 2) +
			at("a", 1, 2),
		"array": "[" + at("a", 1, 2) + "]", "form": "a=b", "NUL": "\x00",
		"two marks": "\ufeff\ufeff" + at("a", 1, 2),
	} {
		t.Run(name, func(t *testing.T) {
			p := refused(t, h.post(t, "application/x-ndjson", line+"\n"), 422)
			require.Equal(t, 1, p.Errors[0].Index)
			require.Nil(t, p.Offset)
			a := ackOf(t, h.post(t, "application/x-ndjson", at("good", 1, 2)+"\n"+line+"\n"+at("good", 2, 2)).body)
			require.Equal(t, []any{2, 1, 2}, []any{a.Accepted, a.Rejected, a.Errors[0].Index})
		})
	}
	require.Equal(t, []string{"good 2,2"}, h.vehicles(t))
}

// TestByteOrderMark uploads lines behind a byte order mark, as editors on Windows write them. Only the
// first line may have one.
func TestByteOrderMark(t *testing.T) {
	const mark = "\ufeff"
	for _, c := range []struct {
		name, body string
		accepted   int
		refused    []int
	}{
		{"before the first line", mark + at("a", 1, 2) + "\r\n" + at("b", 1, 2) + "\r\n", 2, nil},
		{"before the only line", mark + at("a", 1, 2), 1, nil},
		{"before a blank line", mark + "\r\n" + at("a", 1, 2), 1, nil},
		{"before white space", mark + " \t" + at("a", 1, 2), 1, nil},
		{"before the longest line", mark + longLine(maxLine) + "\n" + at("b", 1, 2), 2, nil},
		{"before a line that is too long", mark + longLine(maxLine+1) + "\n" + at("b", 1, 2), 1, []int{1}},
		{"before the second line", at("a", 1, 2) + "\n" + mark + at("b", 1, 2), 1, []int{2}},
		{"behind a blank line", "\n" + mark + at("a", 1, 2) + "\n" + at("b", 1, 2), 1, []int{2}},
		{"alone", mark, 0, nil},
	} {
		for _, piece := range []int{1, 1 << 20} {
			t.Run(fmt.Sprint(c.name, piece), func(t *testing.T) {
				h := assemble(t)
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/publish",
					inPieces([]byte(c.body), piece))
				r.Header.Set("Content-Type", "application/x-ndjson")
				got := serve(h.api.Internal(), r)
				require.Equal(t, http.StatusOK, got.Code, got.Body)
				a := ackOf(t, got.Body.String())
				var lines []int
				for _, refused := range a.Errors {
					lines = append(lines, refused.Index)
				}
				require.Equal(t, c.accepted, a.Accepted)
				require.Equal(t, c.refused, lines)
			})
		}
	}
}

// TestFilesThatCurlJoined publishes what `curl -d @positions.ndjson` makes of a file: one line.
func TestFilesThatCurlJoined(t *testing.T) {
	h := start(t)
	two, many := at("a", 1, 2)+at("b", 1, 2), strings.Repeat(at("a", 1, 2), 3000)
	for _, c := range []struct {
		name, media, body string
		status            int
	}{
		{"lines", "application/x-ndjson", two, 422},
		{"indented lines", "application/x-ndjson", at("a", 1, 2) + "  " + at("b", 1, 2), 422},
		{"a long file", "application/x-ndjson", many, 422},
		{"as JSON", "application/json", two, 400},
		{"as JSON, with line breaks", "application/json", at("a", 1, 2) + "\n" + at("b", 1, 2), 400},
		{"as what curl sends", "application/x-www-form-urlencoded", two, 415},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := refused(t, h.post(t, c.media, c.body), c.status)
			detail := p.Detail
			if len(p.Errors) > 0 {
				detail = p.Errors[0].Detail
			}
			require.Contains(t, detail, "--data-binary")
			require.Contains(t, detail+c.media, "application/x-ndjson")
			require.Less(t, len(detail), 400)
		})
	}
	for _, c := range [][2]string{
		{"application/json", at("a", 1, 2) + " 5"}, {"application/json", "[" + two + "]"},
		{"application/x-ndjson", `{"vehicle_id":`}, {"application/x-ndjson", at("a", 1, 2) + "]"},
	} {
		require.NotContains(t, h.post(t, c[0], c[1]).body, "data-binary", c[1])
	}
	a := ackOf(t, h.post(t, "application/x-ndjson", longLine(maxLine+1)+"\n"+at("a", 1, 2)).body)
	require.NotContains(t, a.Errors[0].Detail, "data-binary", "it is only one line of several")
}

// maxLine is the hub's limit for a line, in bytes.
const maxLine = 64 << 10

// longLine returns a position of size bytes.
func longLine(size int) string {
	line := at("a", 1, 2)
	return line[:len(line)-1] + strings.Repeat(" ", size-len(line)) + "}"
}

// The hub does not publish a line that the connection broke off in.
func TestTornUpload(t *testing.T) {
	h := start(t)
	s := h.subscribe(t, "/stream")
	s.begun(t)
	conn := dial(t, h.internal)
	line := at("whole", 1, 2) + "\n"
	// The part of the last line that arrives is a valid position.
	fmt.Fprintf(conn,
		"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: "+
			"1000\r\n\r\n%s%s", line, at("torn", 1, 2))
	require.Equal(t, "whole", s.brief(t))
	conn.(interface{ CloseWrite() error }).CloseWrite()
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(text), `"accepted":1,"rejected":0`)
	require.Equal(t, []string{"whole 1,2"}, h.vehicles(t))
}

// TestAcksWhileItRuns reads an Ack every second, and the last at the end.
func TestAcksWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t)
		u := begin(t, h.client, "http://localhost", "Accept", "application/x-ndjson")
		response := <-u.answered
		require.NotNil(t, response)
		defer response.Body.Close()
		require.Equal(t, "application/x-ndjson", response.Header.Get("Content-Type"))
		began := time.Now()
		acks := bufio.NewReader(response.Body)
		next := func() []any {
			line, err := acks.ReadString('\n')
			require.NoError(t, err)
			a := ackOf(t, line)
			return []any{time.Since(began).Seconds(), a.Status, a.Accepted, a.Rejected}
		}
		require.Equal(t, []any{0.0, "OK", 0, 0}, next())
		u.line(t, at("a", 1, 2)+"\n"+at("b", 1, 2)+"\n")
		require.Equal(t, []any{1.0, "OK", 2, 0}, next())
		require.Equal(t, []any{2.0, "OK", 2, 0}, next())
		u.line(t, "{}\n"+at("c", 1, 2))
		require.Equal(t, []any{3.0, "PARTIAL", 2, 1}, next())
		time.Sleep(time.Second / 2)
		require.NoError(t, u.Close())
		require.Equal(t, []any{3.5, "PARTIAL", 3, 1}, next())
		_, err := acks.ReadByte()
		require.Equal(t, io.EOF, err)
	})
}

// TestAcksOverHTTP2 reads the first Ack lines while the upload is open.
// TestAcksBehindContinue uploads as curl does, whose body waits for a 100 (Continue). Without one, curl sends
// it when it has heard nothing for a second, which does not come while there is an ack every second.
func TestAcksBehindContinue(t *testing.T) {
	for range 50 { // what comes first may depend on the scheduler
		synctest.Test(t, func(t *testing.T) {
			h := startPiped(t)
			conn := h.dial(t, "internal")
			go fmt.Fprint(conn, "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"+
				"Accept: application/x-ndjson\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusContinue, answer.StatusCode)
			require.NotContains(t, answer.Header, "Connection")
		})
	}
}

func TestAcksOverHTTP2(t *testing.T) {
	h := start(t)
	u := begin(t, h2(t), h.internal.URL, "Accept", "application/x-ndjson")
	u.line(t, at("a", 1, 2)+"\n")
	response := <-u.answered
	require.NotNil(t, response)
	defer response.Body.Close()
	require.Empty(t, response.Header.Get("Connection"))
	acks := bufio.NewReader(response.Body)
	for accepted := 0; accepted < 1; {
		line, err := acks.ReadString('\n')
		require.NoError(t, err)
		accepted = ackOf(t, line).Accepted
	}
	h.api.Drain()
	rest, err := io.ReadAll(acks)
	require.NoError(t, err)
	require.Equal(t, 1, ackOf(t, lastLine(string(rest))).Accepted)
}

// The last_event_id is the upload's, even if others publish meanwhile.
func TestLastEventIDIsOfTheUpload(t *testing.T) {
	h := start(t)
	s := h.subscribe(t, "/stream")
	s.begun(t)
	u := begin(t, h.client, h.internal.URL)
	u.line(t, at("a", 1, 2)+"\n")
	require.Equal(t, "a", s.brief(t))
	mine := h.Head().String()
	h.put(t, at("b", 1, 2))
	require.NoError(t, u.Close())
	require.Equal(t, mine, u.ack(t).LastEventID)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// An upload ends after five minutes without a byte, and not before.
func TestIdleUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t)
		u := begin(t, h.client, "http://localhost")
		began := time.Now()
		u.line(t, at("a", 1, 2)+"\n")
		for range 3 {
			time.Sleep(5*time.Minute - time.Second)
			u.line(t, "\n")
		}
		u.line(t, at("torn", 1, 2))
		require.Equal(t, 1, u.ack(t).Accepted)
		require.Equal(t, 20*time.Minute-3*time.Second, time.Since(began).Truncate(time.Second))
	})
}

// A document that takes longer than a minute is cut, and nothing of it is published.
func TestSlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t)
		u := begin(t, h.client, "http://localhost")
		u.Close()
		u.ack(t)
		body, slow := io.Pipe()
		defer slow.Close()
		r := h.request(t, "POST", "/publish", body, "Content-Type", "application/json")
		go func() {
			for err := error(nil); err == nil; _, err = io.WriteString(slow, " ") {
				time.Sleep(7 * time.Second) // never in the moment of the cut: a client may miss the answer then
			}
		}()
		began := time.Now()
		response, err := h.client.Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		require.Equal(t, 400, response.StatusCode)
		require.Equal(t, time.Minute, time.Since(began))
		slow.CloseWithError(io.ErrClosedPipe)
		body.Close()
		time.Sleep(time.Minute)
	})
}

// A draining hub ends uploads at the end of a line, with their Ack.
func TestDrainEndsUploads(t *testing.T) {
	for _, c := range []struct {
		name   string
		begun  string   // of the last line, when the hub drains
		rest   []string // a second later, half a second apart
		took   time.Duration
		accept int
	}{
		{"between lines", "", nil, 0, 1},
		{"in a line that ends", at("b", 1, 2), []string{"\n"}, time.Second, 2},
		{"in a line that does not end", at("b", 1, 2), nil, 2 * time.Second, 1},
		{"in a line, and more after", at("b", 1, 2), []string{"\n" + at("c", 1, 2) + "\n"}, time.Second, 2},
		{"in a line that ends where another begins", at("b", 1, 2),
			[]string{"\n" + at("c", 1, 2)[:9], at("c", 1, 2)[9:] + "\n"}, time.Second, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := startPiped(t)
				u := begin(t, h.client, "http://localhost")
				u.line(t, at("a", 1, 2)+"\n"+c.begun)
				synctest.Wait()
				began := time.Now()
				h.api.Drain()
				go func() {
					for i, rest := range c.rest {
						time.Sleep(time.Second / time.Duration(i+1))
						io.WriteString(u, rest)
					}
				}()
				response := <-u.answered
				require.NotNil(t, response)
				took := time.Since(began)
				text, err := io.ReadAll(response.Body)
				require.NoError(t, err)
				require.Equal(t, c.accept, ackOf(t, string(text)).Accepted)
				require.Equal(t, "draining", ackOf(t, string(text)).Ended)
				require.Equal(t, c.took, took.Truncate(time.Second))
				require.True(t, response.Close, "the connection is to be closed")
				u.CloseWithError(io.ErrClosedPipe)
			})
		})
	}
}

// The limit counts a line without its line end, LF or CR LF.
func TestLineLimit(t *testing.T) {
	h := start(t)
	for _, end := range []string{"\n", "\r\n"} {
		line := at("a", 1, 2)
		line += strings.Repeat(" ", 65536-len(line))
		got := h.post(t, "application/x-ndjson", line+end+line+" "+end+at("b", 1, 2)+end)
		a := ackOf(t, got.body)
		require.Equal(t, 2, a.Accepted+a.Duplicate, "%q: %s", end, got.body)
		require.Equal(t, 1, a.Rejected, "%q: %s", end, got.body)
	}
}

// Over HTTP/1.1 the rest of an unfinished upload does not count as another request.
func TestUnfinishedUploadIsTheLast(t *testing.T) {
	for _, accept := range []string{"", "Accept: application/x-ndjson\r\n"} {
		for name, end := range map[string]func(*piped){
			"draining": func(h *piped) { h.api.Drain() },
			"idle":     func(*piped) { time.Sleep(6 * time.Minute) },
			"expired":  func(*piped) { time.Sleep(3 * time.Minute) },
		} {
			t.Run(name+" "+accept, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					options := []configure{tokens(t), requireAuth}
					token := claimed(t, "me", time.Hour, map[string]any{"publish": []string{"*"}})
					if name == "expired" {
						token = claimed(t, "me", 2*time.Minute, map[string]any{"publish": []string{"*"}})
					}
					h := startPiped(t, options...)
					conn, err := h.pipes.dial()
					require.NoError(t, err)
					defer conn.Close()
					require.NoError(t, conn.SetDeadline(time.Now().Add(time.Hour)))
					line := at("a", 1, 2) + "\n"
					begun := fmt.Sprintf(
						"POST /publish HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: "+
							"application/x-ndjson\r\n%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", token, accept, len(line),
						line)
					answered := make(chan string)
					go func() {
						all, _ := io.ReadAll(conn)
						answered <- string(all)
					}()
					_, err = io.WriteString(conn, begun)
					require.NoError(t, err)
					synctest.Wait()
					end(h)
					synctest.Wait()
					// an error is as good as no answer
					io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
					text := <-answered
					require.Contains(t, text, `"accepted":1`)
					require.Equal(t, 1, strings.Count(text, "HTTP/1.1 "), text)
				})
			})
		}
	}
}

// TestUploadsOfAPublisher checks how many uploads a publisher may have under way, who counts as one, and
// that JSON and other publishers are not affected.
func TestUploadsOfAPublisher(t *testing.T) {
	const most = 1000
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t, tokens(t), requireAuth)
		mine := bearer(publisher(t, "me", "*"))
		var open []*upload
		for range most {
			open = append(open, begin(t, h.client, "http://localhost", mine...))
		}
		synctest.Wait()
		over := begin(t, h.client, "http://localhost", bearer(publisher(t, "me", "OTHER-*"))...)
		response := <-over.answered
		require.NotNil(t, response)
		require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
		require.Equal(t, "60", response.Header.Get("Retry-After"))
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Contains(t, string(text), "this publisher has 1000 NDJSON uploads under way, the limit")
		over.CloseWithError(io.ErrClosedPipe)
		require.Equal(t, 200, h.do(t, "POST", "http://localhost/publish", strings.NewReader(at("a", 1, 2)),
			append(mine, "Content-Type", "application/json")...).StatusCode)

		others := begin(t, h.client, "http://localhost", bearer(publisher(t, "you", "*"))...)
		require.NoError(t, others.Close())
		require.Equal(t, 200, (<-others.answered).StatusCode)

		open[0].CloseWithError(io.ErrClosedPipe) // one that breaks off counts no more
		synctest.Wait()
		last := begin(t, h.client, "http://localhost", mine...)
		last.line(t, at("b", 1, 2))
		require.NoError(t, last.Close())
		require.Equal(t, 1, last.ack(t).Accepted)
		for _, u := range open {
			u.Close()
		}
	})
}

// TestLocalUploads checks that all uploads of an internal port without authentication are one publisher's.
func TestLocalUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t)
		var open []*upload
		for range 1001 {
			open = append(open, begin(t, h.client, "http://localhost"))
		}
		refused := 0
		synctest.Wait()
		for _, u := range open {
			select {
			case response := <-u.answered:
				require.NotNil(t, response)
				require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
				refused++
			default:
			}
			u.CloseWithError(io.ErrClosedPipe)
		}
		require.Equal(t, 1, refused)
	})
}
