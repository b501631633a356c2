package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFenceCommands(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--listen", "off", "--journal", "off").publish
	fence := func(stdin string, args ...string) (out, stderr string, status int) {
		return command(t, stdin, append([]string{"fence", "--to", hub}, args...)...)
	}
	const circle = `{"type":"Feature","geometry":{"type":"Point","coordinates":[13.4,52.5]},` +
		`"properties":{"radius_m":200,"name":"The\u001b[31m yard"}}`
	out, stderr, status := fence("", "list")
	assert.Equal(t, []any{"", "", 0}, []any{out, stderr, status})

	_, stderr, status = fence(circle, "put", "yard/7", "-")
	require.Zero(t, status, stderr)
	file := filepath.Join(t.TempDir(), "fence.json")
	require.NoError(t, os.WriteFile(file, []byte(circle), 0o600))
	_, stderr, status = fence("", "put", "a", file)
	require.Zero(t, status, stderr)
	out, _, status = fence("", "list")
	assert.Zero(t, status)
	assert.Equal(t, "a\tThe\uFFFD[31m yard\nyard/7\tThe\uFFFD[31m yard\n", out)
	out, _, _ = fence("", "get", "yard/7")
	assert.JSONEq(t, `{"type":"Feature","id":"yard/7","geometry":{"type":"Point","coordinates":[13.4,52.5]},`+
		`"properties":{"radius_m":200,"name":"The\u001b[31m yard"}}`, out)

	_, stderr, status = command(t, `{"vehicle_id":"T","lat":52.5,"lon":13.4,"timestamp":1700000000}`+"\n",
		"replay", "--speed", "0", "--to", hub, "-")
	require.Zero(t, status, stderr)
	out, stderr, status = fence("", "inside", "yard/7")
	assert.Equal(t, []any{"T\t2023-11-14T22:13:20Z\n", "", 0}, []any{out, stderr, status})

	_, stderr, status = fence("", "delete", "a")
	assert.Zero(t, status, stderr)
	_, stderr, status = fence("", "get", "a")
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, `there is no fence "a"`)
	_, stderr, status = fence(`{"type":"Feature","geometry":null}`, "put", "b", "-")
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "geometry")
	_, stderr, status = fence("", "put", "b", filepath.Join(t.TempDir(), "none"))
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "no such file")
}
