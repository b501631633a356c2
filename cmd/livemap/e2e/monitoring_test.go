package e2e

import (
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// ofMetrics are the metrics that an expression of Prometheus names.
var ofMetrics = regexp.MustCompile(`\b(?:livemap|process|go)_[a-z0-9_]+\b`)

// ruleFile is what a file of rules of Prometheus has.
type ruleFile struct {
	Groups []struct {
		Rules []struct {
			Alert, Expr string
			Annotations map[string]string
		}
	}
}

// dashboard is what a dashboard of Grafana has.
type dashboard struct {
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
	Templating struct{ List []struct{ Definition string } }
}

// TestDeployedMetrics holds the rules of Prometheus and the dashboard of Grafana to what hubs of a cluster
// have at /metrics.
func TestDeployedMetrics(t *testing.T) {
	t.Parallel()
	ca := newClusterCA(t)
	ca.sign(t, "hub", time.Now().Add(time.Hour))
	c := startCluster(t, ca.flags("hub")...)
	hub := c.hubs[0].Load()
	hub.publishLines(t, at("A", 1))
	await(t, "a keyframe", func() bool { return hub.metric(t, "livemap_journal_keyframe_age_seconds") > 0 })
	ends := hub.metric(t, `livemap_certificate_ends_seconds{flag="cluster-cert"}`)
	assert.InDelta(t, time.Now().Add(time.Hour).Unix(), ends, 600)
	resp, err := hub.operator.Get(hub.publish + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	has := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z]\w*)[{ ]`).FindAllStringSubmatch(string(text), -1) {
		has[m[1]] = true
	}
	check := func(where, expression string) (names int) {
		for _, name := range ofMetrics.FindAllString(expression, -1) {
			assert.True(t, has[name], "%s: the hub has no metric %s", where, name)
			names++
		}
		return names
	}
	alerts := readRules(t)
	for alert, expression := range alerts {
		if alert != "LivemapDown" {
			assert.Positive(t, check(alert, expression), alert)
		}
	}
	var board dashboard
	shown := ""
	require.NoError(t, json.Unmarshal([]byte(readDeployed(t, "deploy/grafana/livemap.json")), &board))
	require.Greater(t, len(board.Panels), 20)
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			check(panel.Title, target.Expr)
			shown += target.Expr + "\n"
		}
	}
	for _, variable := range board.Templating.List {
		check("variables", variable.Definition)
	}
	for name := range has {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if strings.HasPrefix(name, "livemap_") {
			assert.Contains(t, shown, base, "the dashboard shows all of the hub's metrics")
		}
	}
}

// readRules returns the expressions of the alerts.
func readRules(t *testing.T) map[string]string {
	t.Helper()
	var file ruleFile
	require.NoError(t, yaml.Unmarshal([]byte(readDeployed(t, "deploy/prometheus/livemap.rules.yml")), &file))
	require.Len(t, file.Groups, 1)
	alerts := map[string]string{}
	for _, rule := range file.Groups[0].Rules {
		alerts[rule.Alert] = rule.Expr
		assert.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
		assert.NotEmpty(t, rule.Annotations["description"], rule.Alert)
	}
	return alerts
}

// TestAlerts has Prometheus's own tool check the rules, and run their tests, of which each alert has one.
func TestAlerts(t *testing.T) {
	dir := filepath.Join(docsRoot, "deploy", "prometheus")
	tests := readDeployed(t, "deploy/prometheus/livemap.test.yml")
	for alert := range readRules(t) {
		assert.Contains(t, tests, "name: "+alert+" fires")
		assert.Contains(t, tests, "name: "+alert+" is quiet")
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("NOT TESTED: there is no promtool here (Debian's package prometheus)")
	}
	for _, args := range [][]string{
		{"check", "rules", "livemap.rules.yml"}, {"test", "rules", "livemap.test.yml"},
	} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err, "promtool %s: %s", strings.Join(args, " "), out)
		assert.False(t, slices.Contains(strings.Fields(string(out)), "FAILED"), string(out))
	}
}
