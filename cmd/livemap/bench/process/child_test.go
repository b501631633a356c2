package process

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func isReady(line []byte) bool { return strings.HasPrefix(string(line), "ready") }

func TestStart(t *testing.T) {
	for _, test := range []struct {
		name   string
		script string
		stdout bool
		fails  string // what the error says
	}{
		{"ready on standard output", "echo starting; read line; echo ready $line; read line", true, ""},
		{"ready on standard error", "read line; echo ready $line >&2; read line", false, ""},
		{"it ends before it is ready", "echo no port >&2; exit 3", false, "did not start; it wrote: no port"},
		{"it says something else", "echo hello", true, "did not start; it wrote: hello"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var said string
			c, err := Start(
				"sh",
				[]string{"-c", test.script},
				[]byte("input\n"),
				test.stdout,
				func(line []byte) bool {
					said = string(line)
					return isReady(line)
				},
			)
			if test.fails != "" {
				require.ErrorContains(t, err, test.fails)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "ready input\n", said)
			c.Stop()
			c.Stop() // twice is once
			_, err = CPUTimeOf([]int{c.PID()})
			assert.Error(t, err, "the process has ended")
		})
	}
	_, err := Start("/no/such/program", nil, nil, true, isReady)
	require.ErrorContains(t, err, "no such file")
}

// TestStartSilent: a process that says nothing is ready when its address answers.
func TestStartSilent(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	c, err := StartSilent(t.Context(), "sh", []string{"-c", "read line"}, server.URL)
	require.NoError(t, err)
	c.Interrupt()
	_, err = StartSilent(t.Context(), "sh", []string{"-c", "echo no >&2; exit 1"}, "http://127.0.0.1:1")
	require.ErrorContains(t, err, "it wrote: no")
}

// TestChildEnvironment: settings of this program are not for those that it measures.
func TestChildEnvironment(t *testing.T) {
	t.Setenv("LIVEMAP_HISTORY", "1MiB")
	t.Setenv("LIVEMAP_TEST_PROGRAM", "1")
	t.Setenv("OTHER_LIVEMAP_", "1")
	env := childEnvironment()
	assert.False(t, slices.Contains(env, "LIVEMAP_HISTORY=1MiB"))
	assert.Contains(t, env, "LIVEMAP_TEST_PROGRAM=1")
	assert.Contains(t, env, "OTHER_LIVEMAP_=1")
}

func TestLastWords(t *testing.T) {
	long := strings.Repeat("x", tailSize)
	for _, test := range []struct {
		name   string
		writes []string
		want   string
	}{
		{"all", []string{"one\n", "two\n"}, "one\ntwo"},
		{"the end", []string{"one", long[1:], "two"}, long[3:] + "two"},
		{"the end of one write", []string{"one", long + "two"}, long[3:] + "two"},
		{"nothing", nil, ""},
	} {
		var w outputTail
		for _, text := range test.writes {
			n, err := w.Write([]byte(text))
			require.NoError(t, err)
			require.Equal(t, len(text), n)
		}
		assert.Equal(t, test.want, w.String(), test.name)
	}
}
