package stream_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// The most vehicles that are remembered belong to the journal: another setting changes it from then on, and
// what happened before stays as it was, from whichever state a hub starts.
func TestMaxVehiclesOfJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := quietJournal()
		two := stream.Config{Settings: stream.Settings{stream.MaxVehicles: 2}}
		four := stream.Config{Settings: stream.Settings{stream.MaxVehicles: 4}}
		h := startOn(t, two, j, nil)
		for n := range 5 {
			publish(t, h, fmt.Sprint("v", n), "")
		}
		var state bytes.Buffer
		require.NoError(t, h.Save(&state))
		h.Close()
		whole := startOn(t, four, j, nil)
		defer whole.Close()
		assert.Equal(t, 2, whole.Stats().Vehicles, "as it was")
		saved := startOn(t, four, j, state.Bytes())
		defer saved.Close()
		for n := range 5 {
			publish(t, saved, fmt.Sprint("w", n), "")
		}
		synctest.Wait()
		assert.Equal(t, 4, saved.Stats().Vehicles)
		assert.Equal(t, whole.Dump(), saved.Dump())
	})
}

// A hub that is given no setting takes that of the journal, also from a saved state.
func TestSettingsAreTheJournals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := quietJournal()
		h := startOn(t, stream.Config{}, j, nil)
		for s, value := range h.Settings() {
			assert.Equal(t, s.Default(), value, s)
		}
		require.NoError(t, h.ChangeSettings(settings(7, time.Minute)))
		assertSettings(t, h)
		var state bytes.Buffer
		require.NoError(t, h.Save(&state))
		h.Close()
		for _, from := range [][]byte{nil, state.Bytes()} {
			again := startOn(t, stream.Config{}, j, from)
			assertSettings(t, again)
			publish(t, again, "a", "")
			time.Sleep(2 * time.Minute)
			assert.Zero(t, again.Stats().Vehicles, "expired")
			again.Close()
		}
	})
}

// assertSettings checks that a hub has the settings that were changed and the defaults of all others.
func assertSettings(t *testing.T, h *stream.Hub) {
	t.Helper()
	want := settings(7, time.Minute)
	for _, s := range stream.AllSettings() {
		if _, changed := want[s]; !changed {
			want[s] = s.Default()
		}
	}
	assert.Equal(t, want, h.Settings())
}

// With several hubs the first one that is given a setting sets it; a hub with another is refused.
func TestSettingsOfSeveralHubs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := quietJournal()
		shared := func(max int) stream.Config {
			return stream.Config{KeepSettings: true, Settings: stream.Settings{stream.MaxVehicles: int64(max)}}
		}
		first := startOn(t, shared(7), j, nil)
		defer first.Close()
		same := startOn(t, shared(7), j, nil)
		defer same.Close()
		startOn(t, stream.Config{KeepSettings: true}, j, nil).Close()
		_, _, err := stream.NewWithJournal(context.Background(), shared(8), j, nil)
		assert.EqualError(t, err, "--max-vehicles is 8, but the journal, which other hubs share, has 7; start "+
			"this hub without the flag, or change all: livemap journal set max-vehicles=8")
		require.NoError(t, same.ProposeIfUnset(stream.MaxVehicles, 9), "two began at once")
		assert.EqualValues(t, 7, first.Settings()[stream.MaxVehicles])
		require.NoError(t, first.ChangeSettings(stream.Settings{stream.MaxVehicles: 8}))
		startOn(t, shared(8), j, nil).Close()
	})
}

func TestParseSetting(t *testing.T) {
	for text, want := range map[string]int64{
		"max-vehicles=1": 1, "max-vehicles=10000000": 10_000_000, "vehicle-ttl=0": 0, "vehicle-ttl=0s": 0,
		"vehicle-ttl=1m30s": int64(90 * time.Second), "vehicle-ttl=87600h": int64(87600 * time.Hour),
		"max-state=1MiB": 1 << 20, "max-state=3GiB": 3 << 30, "max-vehicles-per-publisher=off": 0,
		"max-vehicles-per-publisher=7": 7,
	} {
		s, value, err := stream.ParseSetting(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, value, text)
		again, err := s.Parse(s.Format(value))
		require.NoError(t, err)
		assert.Equal(t, want, again, text)
	}
	for text, want := range map[string]string{
		"": `"" is no setting of a journal; it must be NAME=VALUE, with a NAME of max-vehicles, ` +
			"vehicle-ttl, max-state, max-vehicles-per-publisher",
		"max-vehicles":                  `"max-vehicles" is no setting`,
		"history=1":                     `"history=1" is no setting`,
		"max-vehicles=":                 `max-vehicles is ""; it must be a number such as 1000`,
		"max-vehicles=0":                "max-vehicles is 0; it must be from 1 to 10000000",
		"max-vehicles=-1":               "max-vehicles is -1; it must be from 1 to 10000000",
		"max-state=1KiB":                "max-state is 1KiB; it must be from 1MiB to 1TiB",
		"max-state=x":                   `max-state is "x"; it must be a size such as 512MiB`,
		"max-vehicles-per-publisher=-1": "it must be from 1 to 10000000, or off for no limit",
		"vehicle-ttl=7":                 `vehicle-ttl is "7"; it must be a time such as 90s or 168h`,
		"vehicle-ttl=-1h":               "vehicle-ttl is -1h; it must be from 1s",
		"vehicle-ttl=999ms":             "vehicle-ttl is 999ms; it must be from 1s to 87600h, or 0 for never",
		"vehicle-ttl=87601h":            "vehicle-ttl is 87601h; it must be from 1s to 87600h, or 0 for never",
	} {
		_, _, err := stream.ParseSetting(text)
		assert.ErrorContains(t, err, want, text)
	}
}

// Settings belong to format 1: those of a newer hub stop an older one.
func TestSettingBytes(t *testing.T) {
	assert.Equal(t, []byte{1, 7, 0}, stream.SettingBody(stream.MaxVehicles, 7, false))
	assert.Equal(t, []byte{2, 0x80, 1, 1}, stream.SettingBody(stream.VehicleTTL, 128, true))
	for _, body := range [][]byte{{}, {1}, {1, 7}, {1, 7, 2}, {1, 7, 0, 0}, {1, 0x80, 0}} {
		assert.ErrorContains(t, stream.CheckSettingBody(body), "is damaged", body)
	}
	for _, body := range [][]byte{{0, 7, 0}, {5, 7, 0}} {
		assert.ErrorContains(t, stream.CheckSettingBody(body), "a newer one set it", body)
	}
	assert.NoError(t, stream.CheckSettingBody([]byte{2, 0x80, 1, 1}))
}
