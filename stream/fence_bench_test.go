package stream_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"livemap/geo"
	"livemap/stream"
)

// BenchmarkPublishNearFences publishes positions of 100,000 vehicles that drive about in half a degree, with
// and without 25,000 fences there.
func BenchmarkPublishNearFences(b *testing.B) {
	for _, fences := range []int{0, 25_000} {
		b.Run(fmt.Sprint(fences), func(b *testing.B) {
			const vehicles = 100_000
			h := start(b, stream.Config{Settings: settings(200_000, 0)})
			random := rand.New(rand.NewPCG(1, 2))
			for n := range fences {
				lon, lat := 13+random.Float64()*0.5, 52+random.Float64()*0.5
				putFence(b, h, fmt.Sprint(n), fmt.Sprintf(`{"type":"Point","coordinates":[%v,%v]}`, lon, lat),
					`"radius_m":50`)
			}
			type car struct{ lon, lat, dLon, dLat float64 }
			cars := make([]car, vehicles)
			for i := range cars {
				cars[i] = car{13 + random.Float64()*0.5, 52 + random.Float64()*0.5,
					random.NormFloat64() * 1e-4, random.NormFloat64() * 1e-4}
			}
			second, next := time.Now().Add(-48*time.Hour).Unix(), 0
			some := make([]geo.Position, 64)
			round := func() {
				for i := range some {
					if next++; next == vehicles {
						next = 0
						second++
					}
					c := &cars[next]
					c.lon, c.lat = c.lon+c.dLon, c.lat+c.dLat
					if c.lon < 13 || c.lon > 13.5 {
						c.dLon = -c.dLon
					}
					if c.lat < 52 || c.lat > 52.5 {
						c.dLat = -c.dLat
					}
					some[i] = must(geo.ParsePosition(fmt.Appendf(nil,
						`{"vehicle_id":"V%d","lon":%v,"lat":%v,"timestamp":%d}`, next, c.lon, c.lat, second)))
				}
			}
			ignore := func(int, stream.Receipt, error) {}
			for range 3 * vehicles / len(some) {
				round()
				h.PublishAll(some, ignore)
			}
			b.ResetTimer()
			spent := time.Duration(0)
			for n := 0; n < b.N; n += len(some) {
				round()
				began := time.Now()
				h.PublishAll(some, ignore)
				spent += time.Since(began)
			}
			b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "publish-ns/op")
		})
	}
}
