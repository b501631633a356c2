package e2e

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// TestComposedCluster runs the commands of compose.cluster.yaml as processes, each number of a port replaced
// by a free one: the fleet comes to all hubs.
func TestComposedCluster(t *testing.T) {
	t.Parallel()
	text := readDeployed(t, "deploy/compose.cluster.yaml")
	ports := map[string]string{}
	addresses := regexp.MustCompile(`\b127\.0\.0\.\d:\d{4,5}\b`)
	text = addresses.ReplaceAllStringFunc(text, func(at string) string {
		host, port, _ := strings.Cut(at, ":")
		if port == "8443" {
			return at
		}
		if ports[port] == "" {
			_, free, err := net.SplitHostPort(freePort(t))
			require.NoError(t, err)
			ports[port] = free
		}
		return host + ":" + ports[port]
	})
	require.Len(t, ports, 3)
	var c composeFile
	require.NoError(t, yaml.Unmarshal([]byte(strings.ReplaceAll(text, "network_mode:", "networkmode:")), &c))
	one := readCompose(t)
	caddy := c.Services["caddy"]
	assert.Equal(t, one.Services["caddy"].Image, caddy.Image)
	assert.Equal(t, caddy.Image, c.Services["network"].Image)
	assert.Equal(t, one.Services["caddy"].Ports, c.Services["network"].Ports)
	for name := range caddy.Environment {
		assert.Contains(t, readDeployed(t, "Caddyfile"), "{$"+name+":")
	}
	assert.Equal(t, ports["9801"], ports[caddy.Environment["LIVEMAP_HEALTH_PORT"]])
	for name, service := range c.Services {
		if name != "network" {
			assert.Equal(t, "service:network", service.NetworkMode, name)
		}
		for _, volume := range service.Volumes {
			if source, _, _ := strings.Cut(volume, ":"); !strings.HasPrefix(source, ".") {
				assert.Contains(t, c.Volumes, source, name)
			}
		}
	}

	var hubs [3]*runningHub
	var starting sync.WaitGroup
	for i := range hubs {
		service := c.Services[fmt.Sprint("hub-", i+1)]
		require.Equal(t, "serve", service.Command[0])
		starting.Go(func() { hubs[i] = startHub(t, service.Command[1:]...) })
		internal := strings.TrimPrefix(service.Environment["LIVEMAP_TO"], "http://")
		assert.Contains(t, service.Command, "--publish-listen="+internal)
		upstream := strings.Fields(caddy.Environment["LIVEMAP_UPSTREAM"])[i]
		assert.Contains(t, service.Command, "--proxy-listen="+upstream)
	}
	starting.Wait()
	require.False(t, t.Failed())
	simulator := startProcess(t, c.Services["simulator"].Command...)
	client := newWireClient(t, "h1", nil)
	for i, hub := range hubs {
		await(t, fmt.Sprint("the fleet at hub ", i), func() bool {
			require.Empty(t, simulator.ended, "%s", &simulator.err)
			_, text := client.ask(t, "GET", hub.proxy+"/snapshot")
			return strings.Contains(text, `"type":"Feature"`)
		})
	}
	simulator.interrupt(t)
}
