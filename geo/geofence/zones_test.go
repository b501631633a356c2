package geofence_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo/geofence"
)

const hourly = `"windows":[{"from":"08:00","to":"09:00"}]`

// scheduled returns a Feature with a schedule from eight to nine.
func scheduled(zone string) []byte {
	return []byte(`{"type":"Feature","id":"f","geometry":` + equator + `,"properties":{"active":` +
		fmt.Sprintf(`{"tz":%q,%s}}}`, zone, hourly))
}

// The zone that a fence carries shows what the machine's does, at any time of the decades that it covers.
func TestZones(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 5))
	for _, name := range []string{
		"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca",
		"Pacific/Apia", "America/St_Johns", "Europe/Dublin", "Etc/GMT+12", "Pacific/Kiritimati",
	} {
		location, err := time.LoadLocation(name)
		require.NoError(t, err)
		f, err := geofence.Parse("f", scheduled(name))
		require.NoError(t, err)
		again, err := geofence.Restore("f", f.Feature, f.Active.Zone())
		require.NoError(t, err)
		require.Equal(t, f, again)
		from, decades := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), 40*365*24*60
		for range 20_000 {
			at := from.Add(time.Duration(random.IntN(decades)) * time.Minute)
			require.Equal(t, at.In(location).Hour() == 8, f.Active.At(at), "%s at %s", name, at)
		}
	}
}

// What a machine knows of zones decides nothing where a fence is restored.
func TestZoneIsCarried(t *testing.T) {
	berlin, err := geofence.Parse("f", scheduled("Europe/Berlin"))
	require.NoError(t, err)
	elsewhere, err := geofence.Parse("f", scheduled("America/New_York"))
	require.NoError(t, err)
	f, err := geofence.Restore("f", berlin.Feature, elsewhere.Active.Zone())
	require.NoError(t, err)
	require.True(t, f.Active.At(midnight.Add(13*time.Hour)), "it is winter: eight in New York")
	require.Contains(t, string(f.Feature), "Europe/Berlin")
}

func TestZonesThatAreNone(t *testing.T) {
	for _, zone := range []string{
		"Mars/Olympus", "../Europe/Berlin", "/etc/localtime", "Europe", "europe/berlin", "Local", "",
	} {
		_, err := geofence.Parse("f", scheduled(zone))
		require.ErrorContains(t, err, "active.tz is", zone)
	}
	for _, text := range []string{
		"", "\x80", "\x00\x00", "\x00\x01", "\x00\x80", "\x00\x00\x02", "\xff\xff\xff\xff\x0f",
		"\x00\x01\xff\xff\xff\xff\x0f",
	} {
		_, err := geofence.Restore("f", scheduled("UTC"), text)
		require.Error(t, err, "%q", text)
	}
}

func FuzzZone(f *testing.F) {
	for _, name := range []string{"UTC", "Europe/Berlin", "Pacific/Apia"} {
		fence, err := geofence.Parse("f", scheduled(name))
		require.NoError(f, err)
		f.Add(fence.Active.Zone(), int64(1_800_000_000))
	}
	f.Fuzz(func(t *testing.T, zone string, at int64) {
		fence, err := geofence.Restore("f", scheduled("UTC"), zone)
		if err != nil {
			return
		}
		require.Equal(t, zone, fence.Active.Zone())
		now := time.Unix(at%(1<<33), 0)
		if next, ok := fence.Active.Next(now); ok {
			require.True(t, next.After(now))
			require.NotEqual(t, fence.Active.At(now), fence.Active.At(next))
		}
	})
}
