package e2e

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The hub logs a misspelt variable, because its absence would go unnoticed.
func TestUnknownVariables(t *testing.T) {
	t.Parallel()
	hub := startPrepared(t, func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "LIVEMAP_JWT_ISUER=me", "LIVEMAP_TO=http://127.0.0.1:1", "LIVEMAP_HEARTBEAT=9s")
	})
	told := map[any]bool{}
	for _, line := range hub.log.find("ignoring an unknown environment variable") {
		told[line["variable"]] = true
	}
	assert.True(t, told["LIVEMAP_JWT_ISUER"])
	assert.False(t, told["LIVEMAP_TO"], "of another command")
	assert.False(t, told["LIVEMAP_HEARTBEAT"])
}

// Every flag that starts a hub can come from the environment.
func TestServeFromEnvironment(t *testing.T) {
	t.Setenv("LIVEMAP_MAX_VEHICLES", "2")
	t.Setenv("LIVEMAP_DRAIN", "7s")
	t.Setenv("LIVEMAP_HISTORY", "3MiB")
	hub := startHub(t)
	hub.publishLines(t,
		`{"vehicle_id":"A","lat":1,"lon":2}`, `{"vehicle_id":"B","lat":1,"lon":2}`,
		`{"vehicle_id":"C","lat":1,"lon":2}`)
	assert.Equal(t, 2.0, hub.metric(t, `livemap_vehicles{state="present"}`))
	hub.stop(t)
	assert.NotEmpty(t, hub.log.find("the hub is going down", "drain", "7s"))

	t.Run("the command line wins", func(t *testing.T) {
		hub := startHub(t, "--drain", "1s")
		hub.stop(t)
		assert.NotEmpty(t, hub.log.find("the hub is going down", "drain", "1s"))
	})
}
