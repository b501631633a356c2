package listen

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestMendUDPBuffers checks that the advice about UDP buffers is for the system the hub runs on.
func TestMendUDPBuffers(t *testing.T) {
	assert.Contains(t, mendUDPBuffers("linux"), "net.core.rmem_max")
	for _, system := range []string{"darwin", "windows"} {
		assert.Contains(t, mendUDPBuffers(system), "kern.ipc.maxsockbuf", system)
		assert.NotContains(t, mendUDPBuffers(system), "net.core", system)
	}
}
