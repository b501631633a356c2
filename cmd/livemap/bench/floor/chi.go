package floor

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"

	"github.com/go-chi/chi/v5"

	"livemap/api/problem"
)

// serveChi answers publishes as the hub does and does nothing with them, until
// its input ends.
func serveChi(lines *bufio.Scanner, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	answer, err := json.Marshal(problem.Ack{Status: "OK", Accepted: 1, LastEventID: "mh3k2p-1207"})
	if err != nil {
		return err
	}
	router := chi.NewRouter()
	router.Post("/publish", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Write(answer)
	})
	go http.Serve(listener, router)
	if err := json.NewEncoder(out).Encode(Ready{"http://" + listener.Addr().String()}); err != nil {
		return err
	}
	for lines.Scan() {
	}
	return lines.Err()
}
