package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/tmaxmax/go-sse"

	"livemap/api"
	"livemap/api/problem"
	"livemap/stream"
)

// exampleAPI returns the API of a hub that everyone may read, and a function that closes both.
func exampleAPI() (surface *api.API, end func()) {
	hub := stream.New(stream.Config{})
	surface = api.New(api.Config{
		Hub:       hub,
		Log:       slog.New(slog.DiscardHandler),
		Metrics:   api.NewMetrics(),
		Anonymous: true,
	})
	return surface, func() {
		surface.Close()
		hub.Close()
	}
}

// A hub behind an HTTP server of its own.
func Example() {
	hub := stream.New(stream.Config{})
	defer hub.Close()
	surface := api.New(api.Config{
		Hub:       hub,
		Log:       slog.New(slog.DiscardHandler),
		Metrics:   api.NewMetrics(),
		Anonymous: true,
	})
	defer surface.Close()
	server := httptest.NewServer(surface.Internal())
	defer server.Close()

	response, err := http.Get(server.URL + "/readyz")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	fmt.Print(response.StatusCode, " ", string(text))
	// Output: 200 ready
}

// A publisher sends positions and reads the ack.
func ExampleAPI_Internal() {
	surface, end := exampleAPI()
	defer end()
	server := httptest.NewServer(surface.Internal())
	defer server.Close()

	body := `[
		{"vehicle_id": "TRUCK-1", "lon": 13.405, "lat": 52.52},
		{"vehicle_id": "TRUCK-2", "lon": 13.405, "lat": 99}
	]`
	response, err := http.Post(server.URL+"/publish", "application/json", strings.NewReader(body))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	var ack problem.Ack
	if err := json.NewDecoder(response.Body).Decode(&ack); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ack.Status, "accepted", ack.Accepted, "rejected", ack.Rejected)
	fmt.Println(ack.Errors[0].Index, ack.Errors[0].VehicleID, ack.Errors[0].Field)
	// Output:
	// PARTIAL accepted 1 rejected 1
	// 1 TRUCK-2 lat
}

// A client follows a stream with go-sse, which reconnects and resumes by itself.
func ExampleAPI_Public() {
	surface, end := exampleAPI()
	defer end()
	public, internal := httptest.NewServer(surface.Public()), httptest.NewServer(surface.Internal())
	defer public.Close()
	defer internal.Close()

	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, public.URL+"/stream", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	connection := sse.NewConnection(request)
	connection.SubscribeEvent("live", func(sse.Event) { // from here on events come as they happen
		line := `{"vehicle_id": "TRUCK-1", "lon": 13.405, "lat": 52.52}`
		response, err := http.Post(internal.URL+"/publish", "application/json", strings.NewReader(line))
		if err != nil {
			fmt.Println(err)
			leave()
			return
		}
		response.Body.Close()
	})
	connection.SubscribeMessages(func(event sse.Event) { // positions have no event name
		if event.Data == "" {
			return // an id alone, which the client remembers
		}
		var feature struct {
			ID       string
			Geometry struct{ Coordinates [2]float64 }
		}
		if err := json.Unmarshal([]byte(event.Data), &feature); err != nil {
			fmt.Println(err)
		}
		fmt.Println(feature.ID, "is at", feature.Geometry.Coordinates)
		leave()
	})
	connection.Connect() // returns when ctx is done
	// Output: TRUCK-1 is at [13.405 52.52]
}
