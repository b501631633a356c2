//go:build faults && linux

package e2e

import "testing"

// TestFaultWebKitGTK lets WebKitGTK read, come back after cuts, and be on a page of another origin.
func TestFaultWebKitGTK(t *testing.T) {
	webkit := foreignClient{name: "WebKitGTK", read: foreignWebKit.read, keepsID: true, retry: true}
	t.Run("read", func(t *testing.T) {
		hub := startForeignHub(t)
		testForeignRead(t, webkit, hub, hub.proxy, "h1", nil)
	})
	t.Run("resume", func(t *testing.T) { testForeignResume(t, webkit) })
	t.Run("ping", func(t *testing.T) { testForeignPingID(t, webkit) })
	t.Run("origins", func(t *testing.T) { testBrowserOrigins(t, foreignWebKit, false) })
}
