//go:build faults && linux

package e2e

import (
	"encoding/xml"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// h2specFails are the cases of h2spec that fail, all of them because of net/http's
// server, and why that does no harm.
var h2specFails = map[string]string{
	"http2/4.2: Sends a large size HEADERS frame that exceeds the SETTINGS_MAX_FRAME_SIZE": "" +
		"the frame has 20 KB, and the server's SETTINGS allow 1 MiB, which h2spec does not read; it is answered " +
		"with 431",
	"http2/6.5.3: Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE": "" +
		"the server hangs up on SETTINGS with a value twice, as a defence; no client sends that",
	"http2/8.1.2.2: Sends a HEADERS frame that contains the connection-specific header field": "" +
		"answered with 400, which RFC 9113, 8.1.1 allows; h2spec wants the stream reset",
	"http2/8.1.2.2: Sends a HEADERS frame that contains the TE header field with any value other than " +
		"\"trailers\"": "likewise",
}

// h2specTries is how often a case may fail before it counts. Some cases send their fault after a
// request that may already be answered, and the server then ignores the fault.
const h2specTries = 5

// TestFaultH2Spec holds the public port to RFC 7540 and RFC 7541, by h2spec.
func TestFaultH2Spec(t *testing.T) {
	program := os.Getenv("LIVEMAP_H2SPEC")
	if program == "" {
		t.Skip("LIVEMAP_H2SPEC names no h2spec; make faults builds one")
	}
	hub := startHub(t)
	failed, cases := h2spec(t, program, hub)
	require.Greater(t, cases, 140)
	for name := range h2specFails {
		require.Contains(t, failed, name, "it does not fail any more: take it from the list")
	}
	others := func() (names, sections []string) {
		for name, section := range failed {
			if h2specFails[name] == "" {
				names, sections = append(names, name), append(sections, section)
			}
		}
		slices.Sort(sections)
		return names, slices.Compact(sections)
	}
	t.Logf("h2spec: %d cases, %d failed, %d of them known", cases, len(failed), len(h2specFails))
	names, sections := others()
	for try := 1; try < h2specTries && len(names) > 0; try++ {
		t.Logf("once more: %q", names)
		again, _ := h2spec(t, program, hub, sections...)
		for name := range failed {
			if again[name] == "" {
				delete(failed, name)
			}
		}
		names, sections = others()
	}
	require.Empty(t, names)
}

// h2spec runs h2spec, or the sections of it, and returns those cases that failed, with
// their sections.
func h2spec(t *testing.T, program string, hub *runningHub, sections ...string) (failed map[string]string,
	cases int) {
	t.Helper()
	address, err := url.Parse(hub.public)
	require.NoError(t, err)
	report := filepath.Join(t.TempDir(), "h2spec.xml")
	// h2spec exits with 1 if a case fails; the report has the case.
	out, _ := exec.CommandContext(t.Context(), program,
		append([]string{"--host", address.Hostname(), "--port", address.Port(), "--tls", "--insecure",
			"--strict", "--path", "/healthz", "--timeout", "5", "--junit-report", report},
			sections...)...).CombinedOutput()
	text, err := os.ReadFile(report)
	require.NoError(t, err, "%s", out)
	var suites struct {
		Suites []struct {
			Cases []struct {
				Section string    `xml:"package,attr"`
				Name    string    `xml:"classname,attr"`
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	require.NoError(t, xml.Unmarshal(text, &suites))
	failed = map[string]string{}
	for _, suite := range suites.Suites {
		for _, c := range suite.Cases {
			cases++
			if c.Failure != nil || c.Error != nil {
				failed[c.Section+": "+c.Name] = c.Section
			}
		}
	}
	return failed, cases
}
