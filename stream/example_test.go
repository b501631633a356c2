package stream_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tmaxmax/go-sse"

	"livemap/geo"
	"livemap/stream"
)

// noon is the first minute of the examples.
var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// report returns the position that a vehicle reports some minutes after noon.
func report(vehicleID string, lon float64, minutes int) *geo.Position {
	p, err := geo.ParsePosition(fmt.Appendf(nil, `{"vehicle_id":%q,"lat":52.52,"lon":%.2f,"timestamp":%d}`,
		vehicleID, lon, noon.Add(time.Duration(minutes)*time.Minute).Unix()))
	if err != nil {
		panic(err)
	}
	return &p
}

// A hub knows the last position of every vehicle.
func ExampleHub() {
	hub := stream.New(stream.Config{Settings: stream.Settings{stream.VehicleTTL: int64(10 * time.Minute)}})
	defer hub.Close()

	for minute, lon := range []float64{13.40, 13.41} {
		if _, err := hub.Publish(report("bus-1", lon, minute)); err != nil {
			panic(err)
		}
	}

	feature, id, ok := hub.Vehicle("bus-1")
	fmt.Println(id.Number, ok)
	fmt.Println(strings.ReplaceAll(string(feature), `,"`, ",\n\""))
	// Output:
	// 2 true
	// {"type":"Feature",
	// "id":"bus-1",
	// "geometry":{"type":"Point",
	// "coordinates":[13.41,52.52]},
	// "properties":{"vehicle_id":"bus-1",
	// "timestamp":1795867260}}
}

// The verdict says what the hub made of a position.
func ExampleHub_Publish() {
	hub := stream.New(stream.Config{
		Clock: func() time.Time { return noon.Add(5 * time.Minute) },
	})
	defer hub.Close()

	verdicts := map[stream.Verdict]string{
		stream.Accepted:  "accepted",
		stream.Late:      "late",
		stream.Duplicate: "duplicate",
	}
	for _, minute := range []int{4, 4, 3, 5, 9} {
		receipt, err := hub.Publish(report("bus-1", 13.40, minute))
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(verdicts[receipt.Verdict], receipt.ID.Number)
	}
	// Output:
	// accepted 1
	// duplicate 0
	// late 2
	// accepted 3
	// timestamp is 4 minutes ahead of the hub's clock; at most 60 seconds are allowed
}

// A stream begins with what is known, announces with `live` that this is all, and
// goes on with what is published. Any reader of server-sent events can take it.
func ExampleHub_Subscribe() {
	hub := stream.New(stream.Config{})
	defer hub.Close()
	publish := func(vehicleID string, minute int) {
		if _, err := hub.Publish(report(vehicleID, 13.40, minute)); err != nil {
			panic(err)
		}
	}
	publish("bus-1", 0)
	publish("bus-2", 0)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	client, server := io.Pipe()
	subscription := hub.Subscribe(stream.Query{Topics: []string{stream.VehiclePrefix + "bus-1"}})
	go func() {
		subscription.Serve(ctx, func(p []byte) error {
			_, err := server.Write(p)
			return err
		})
		server.Close()
	}()

	for event, err := range sse.Read(client, nil) {
		if err != nil {
			panic(err)
		}
		id, _ := stream.ParseID(event.LastEventID)
		switch event.Type {
		case "": // a position
			p, err := geo.ParsePosition([]byte(event.Data)) // a GeoJSON Feature
			if err != nil {
				panic(err)
			}
			fmt.Println("position", id.Number, p.VehicleID, p.Time.Unix())
		case "live":
			fmt.Println("live", id.Number)
			publish("bus-2", 1)
			publish("bus-1", 1)
			hub.Delete("bus-1")
		case "gone":
			fmt.Println("gone", id.Number, event.Data)
			cancel() // the client leaves; Serve returns
		}
	}
	// Output:
	// position 1 bus-1 1795867200
	// live 2
	// position 4 bus-1 1795867260
	// gone 5 {"vehicle_id":"bus-1","reason":"deleted"}
}
