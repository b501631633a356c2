package api_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"livemap/api/transport"
)

// serverVariable names the handler that a process started by BenchmarkPost serves.
const serverVariable = "LIVEMAP_BENCHMARK_SERVER"

// BenchmarkPost sends a POST per position over persistent connections. It measures the hub and a
// handler that only reads and answers. The server is a process of its own: cpu-µs/op is its user and
// system time, without the client's.
func BenchmarkPost(b *testing.B) {
	for _, handler := range []string{"nothing", "publish"} {
		b.Run(handler, func(b *testing.B) {
			const connections = 4
			server, address, stop := startServer(b, handler)
			var posting sync.WaitGroup
			for i := range connections {
				posting.Go(func() { post(b, address, i*b.N/connections, (i+1)*b.N/connections) })
			}
			posting.Wait()
			stop()
			state := server.ProcessState
			b.ReportMetric(float64((state.UserTime()+state.SystemTime()).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// BenchmarkUpload sends NDJSON over one connection. cpu-µs/op is the time of the server's process per
// position.
func BenchmarkUpload(b *testing.B) {
	const count = 10_000
	server, address, stop := startServer(b, "publish")
	positions := (b.N + count - 1) / count * count
	body := &repeated{text: typicals(0, count), times: positions / count}
	answer, err := http.Post("http://"+address+"/publish", "application/x-ndjson", body)
	require.NoError(b, err)
	text, err := io.ReadAll(answer.Body)
	require.NoError(b, err)
	answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	stop()
	require.Equal(b, positions, ackOf(b, string(text)).Accepted)
	state := server.ProcessState
	b.ReportMetric(float64((state.UserTime()+state.SystemTime()).Microseconds())/float64(positions), "cpu-µs/op")
}

// startServer runs this test binary as a server that ends at the end of its input.
func startServer(b *testing.B, handler string) (server *exec.Cmd, address string, stop func()) {
	b.Helper()
	server = exec.Command(os.Args[0], "-test.run=^TestServerOfBenchmark$")
	server.Env = append(os.Environ(), serverVariable+"="+handler)
	server.Stderr = os.Stderr
	in, err := server.StdinPipe()
	require.NoError(b, err)
	out, err := server.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, server.Start())
	_, err = fmt.Fscanln(out, &address)
	require.NoError(b, err)
	return server, address, func() {
		in.Close()
		io.Copy(io.Discard, out)
		require.NoError(b, server.Wait())
	}
}

// post publishes the positions from first up to but not including end. It waits for each answer before
// it sends the next.
func post(b *testing.B, address string, first, end int) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Error(err)
		return
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	var request bytes.Buffer
	for n := first; n < end; n++ {
		body := typical(n)
		request.Reset()
		fmt.Fprintf(&request,
			"POST /publish HTTP/1.1\r\nHost: localhost\r\nUser-Agent: benchmark\r\nContent-Type: "+
				"application/json\r\nContent-Length: %d\r\nAccept-Encoding: gzip\r\n\r\n%s", len(body), body)
		if _, err = conn.Write(request.Bytes()); err != nil {
			b.Error(err)
			return
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil || answer.StatusCode != http.StatusOK {
			b.Error(answer, err)
			return
		}
		io.Copy(io.Discard, answer.Body)
	}
}

// TestServerOfBenchmark is the server of BenchmarkPost.
func TestServerOfBenchmark(t *testing.T) {
	name := os.Getenv(serverVariable)
	if name == "" {
		t.Skip("it is a server of BenchmarkPost")
	}
	handlers := map[string]http.Handler{"nothing": nothing(),
		"publish": assemble(t, trust("127.0.0.0/8")).api.Internal()}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := http.Server{Handler: handlers[name], ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: transport.MaxHeader}
	go server.Serve(listener)
	fmt.Println(listener.Addr())
	if profile := os.Getenv(serverVariable + "_PROFILE"); profile != "" {
		f, err := os.Create(profile + name)
		require.NoError(t, err)
		require.NoError(t, pprof.StartCPUProfile(f))
		defer pprof.StopCPUProfile()
	}
	io.Copy(io.Discard, os.Stdin)
	require.NoError(t, server.Close())
}

// nothing reads a body and answers.
func nothing() http.Handler {
	r := chi.NewRouter()
	r.Post("/publish", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 8<<20)); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.Copy(w, strings.NewReader(`{"status":"OK","accepted":1}`+"\n"))
	})
	return r
}
