package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// composeFile is what deploy/compose.yaml has of the services.
type composeFile struct {
	Services map[string]struct {
		Image, NetworkMode string
		Build              struct {
			Context, Dockerfile string
			Args                map[string]string
		}
		Command, Ports, Volumes []string
		Environment             map[string]string
	}
	Volumes map[string]any
}

func readCompose(t *testing.T) (c composeFile) {
	t.Helper()
	text := readDeployed(t, "deploy/compose.yaml")
	text = strings.ReplaceAll(text, "network_mode:", "networkmode:")
	require.NoError(t, yaml.Unmarshal([]byte(text), &c))
	return c
}

// readDeployed reads a file of the repository.
func readDeployed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docsRoot, name))
	require.NoError(t, err)
	return string(text)
}

// TestComposedFiles holds compose.yaml to the files that it needs, and its services to each other.
func TestComposedFiles(t *testing.T) {
	c := readCompose(t)
	hub, caddy := c.Services["hub"], c.Services["caddy"]
	for name, service := range c.Services {
		for _, volume := range service.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if strings.HasPrefix(source, ".") {
				assert.FileExists(t, filepath.Join(docsRoot, "deploy", source), name)
			} else {
				assert.Contains(t, c.Volumes, source, name)
			}
		}
	}
	context := filepath.Join(docsRoot, "deploy", hub.Build.Context)
	dockerfile, err := os.ReadFile(filepath.Join(context, hub.Build.Dockerfile))
	require.NoError(t, err)
	for name := range hub.Build.Args {
		assert.Regexp(t, `(?m)^ARG `+name+`\b`, string(dockerfile))
	}
	assert.Equal(t, hub.Image, c.Services["simulator"].Image)
	assert.Equal(t, "service:hub", c.Services["simulator"].NetworkMode, "it publishes on the hub's loopback")

	caddyfile := readDeployed(t, "Caddyfile")
	for name := range caddy.Environment {
		assert.Contains(t, caddyfile, "{$"+name+":")
	}
	assert.Contains(t, strings.Join(hub.Command, " "), "--proxy-listen=unix:/run/livemap/proxy.sock")
	assert.Contains(t, caddyfile, "unix//run/livemap/proxy.sock")
	for _, volumes := range [][]string{hub.Volumes, caddy.Volumes} {
		assert.Contains(t, volumes, "sockets:/run/livemap")
	}
	port := caddy.Environment["LIVEMAP_SITE"][strings.Index(caddy.Environment["LIVEMAP_SITE"], ":")+1:]
	inner := "127.0.0.1:" + port + ":" + port
	assert.Equal(t, []string{inner, inner + "/udp"}, caddy.Ports, "the number that Caddy announces for HTTP/3")
	tested := regexp.MustCompile(`(?m)^CADDY_VERSION *= *v(\S+)$`)
	version := tested.FindStringSubmatch(readDeployed(t, "Makefile"))
	require.NotNil(t, version)
	assert.Equal(t, "caddy:"+version[1], caddy.Image, "the Caddy that the tests run")
}

// TestComposedServices runs the services' commands as processes: the simulator's vehicles are read from
// the socket that Caddy reads.
func TestComposedServices(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	dir, err := os.MkdirTemp("", "livemap") // short enough for the name of a socket
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	hubCommand := c.Services["hub"].Command
	require.Equal(t, "serve", hubCommand[0])
	args := strings.Split(strings.ReplaceAll(strings.Join(hubCommand[1:], "\n"), "/run/livemap", dir), "\n")
	hub := startHub(t, args...)
	assert.Empty(t, hub.public, "Caddy has the public port")

	check := regexp.MustCompile(`CMD \["/livemap", "(\w+)"\]`)
	health := check.FindStringSubmatch(readDeployed(t, "deploy/Dockerfile"))
	require.NotNil(t, health, "compose waits for the image's HEALTHCHECK")
	_, stderr, status := command(t, "", health[1], "--to", hub.publish)
	require.Zero(t, status, stderr)

	simulator := startProcess(t, append(c.Services["simulator"].Command, "--to", hub.publish)...)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "proxy.sock"))
	}}
	t.Cleanup(transport.CloseIdleConnections)
	reader := &http.Client{Transport: transport, Timeout: e2eLimit}
	await(t, "the simulator's vehicles", func() bool {
		require.Empty(t, simulator.ended, "%s", &simulator.err)
		resp, err := reader.Get("http://" + c.Services["caddy"].Environment["LIVEMAP_SITE"] + "/snapshot")
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, http.StatusOK, resp.StatusCode)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return strings.Contains(string(body), `"type":"Feature"`)
	})
	simulator.interrupt(t)
}
