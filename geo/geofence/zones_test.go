package geofence_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo/geofence"
)

// A machine's own zones change no schedule: hubs on several machines must agree.
func TestZonesAreThoseOfTheBinary(t *testing.T) {
	t.Setenv("ZONEINFO", t.TempDir())
	for zone, open := range map[string]int{"Europe/Berlin": 7, "America/New_York": 13, "UTC": 8} {
		active := fmt.Sprintf(`"active":{"tz":%q,"windows":[{"from":"08:00","to":"09:00"}]}`, zone)
		f := fence(t, equator, active)
		for hour := range 24 {
			at := midnight.Add(time.Duration(hour) * time.Hour)
			require.Equal(t, hour == open, f.Active.At(at), "%s at %d", zone, hour)
		}
	}
	for _, zone := range []string{
		"Mars/Olympus", "../Europe/Berlin", "/etc/localtime", "Europe", "europe/berlin",
	} {
		_, err := geofence.Parse("f", []byte(`{"type":"Feature","geometry":`+equator+`,"properties":{"active":`+
			`{"tz":"`+zone+`","windows":[{"from":"08:00","to":"09:00"}]}}}`))
		require.ErrorContains(t, err, "active.tz is", zone)
	}
}
