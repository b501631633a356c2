package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/cmd/livemap/listen"
)

// testConfig returns the configuration of a hub on ports that the system picks.
func testConfig(t *testing.T) Config {
	c := Default()
	c.Listen = listen.Config{Public: address("127.0.0.1:0"), Internal: address("127.0.0.1:0")}
	c.Anonymous, c.Drain, c.StateDir, c.Version = true, 0, t.TempDir(), "1.2.3"
	return c
}

// TestRunUntilDone runs a hub from ready to its end.
func TestRunUntilDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ready, ended := make(chan listen.Addresses, 1), make(chan error, 1)
	go func() { ended <- Run(ctx, testConfig(t), func(at listen.Addresses) { ready <- at }) }()
	at := <-ready
	assert.Regexp(t, `^https://127\.0\.0\.1:\d+$`, at.Public)
	assert.Empty(t, at.Proxy)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for path, says := range map[string]string{
		"/readyz":  "ready\n",
		"/metrics": `,version="1.2.3"} 1`,
	} {
		resp, err := (&http.Client{Transport: transport, Timeout: testLimit}).Get(at.Internal + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		assert.Contains(t, string(body), says)
	}
	cancel()
	require.NoError(t, <-ended)
}

// certificateFile returns the path of a file with a certificate and its key: one that a hub made.
func certificateFile(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	config := testConfig(t)
	require.NoError(t, Run(ctx, config, func(listen.Addresses) { cancel() }))
	return filepath.Join(config.StateDir, "localhost.pem")
}

// TestRunFails checks that ConfigError marks mistakes in the configuration, and nothing else.
func TestRunFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	held := t.TempDir()
	other, err := openState(held, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer other.close()
	pair := certificateFile(t)
	for name, test := range map[string]struct {
		change  func(*Config)
		mistake bool
		says    string
	}{
		"nobody may read": {
			func(c *Config) { c.Anonymous = false },
			true, "nobody may read",
		},
		"out of range": {
			func(c *Config) { c.History = 1 << 10 },
			true, "--history is 1.0KiB; it must be from 1.0MiB to 64GiB",
		},
		"no such certificate": {
			func(c *Config) { c.Listen.TLSCert, c.Listen.TLSKey = "no", "no" },
			true, "--tls-cert, --tls-key: ",
		},
		"no such directory": {
			func(c *Config) { c.StateDir = "/dev/null/x" },
			true, "--state-dir must be a directory",
		},
		"no such certificate of a hub beside another": {
			func(c *Config) { c.Listen.TLSCert, c.Listen.TLSKey, c.StateDir = "no", "no", held },
			true, "--tls-cert, --tls-key: ",
		},
		"no such authority beside another": {
			func(c *Config) {
				c.Listen.TLSCert, c.Listen.TLSKey, c.Listen.ClientCA, c.StateDir = pair, pair, "no", held
			},
			true, "--publish-client-ca: ",
		},
		"no such key beside another": {
			func(c *Config) { c.Anonymous, c.JWTKey, c.StateDir = false, "no", held },
			true, "--jwt-key: ",
		},
		"another hub's directory": {
			func(c *Config) { c.StateDir = held },
			false, "another hub is using it (process ",
		},
		"no such key": {
			func(c *Config) { c.JWTKey = "no" },
			true, "--jwt-key: ",
		},
		"a port in use": {
			func(c *Config) { c.Listen.Proxy = address(taken.Addr().String()) },
			false, "--proxy-listen ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := testConfig(t)
			test.change(&config)
			err := Run(t.Context(), config, func(listen.Addresses) { assert.Fail(t, "it is not ready") })
			require.ErrorContains(t, err, test.says)
			assert.Equal(t, test.mistake, errors.As(err, new(ConfigError)))
			assert.Equal(t, name == "a port in use", listen.IsInUse(err))
		})
	}
}
