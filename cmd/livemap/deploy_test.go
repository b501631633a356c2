package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"livemap/cmd/livemap/server"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const deployDir = "../../deploy"

// deployFile returns a file of deploy without its comments, but with settings that
// are commented out, and with continued lines in one.
func deployFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deployDir, name))
	require.NoError(t, err)
	kept := regexp.MustCompile(`(?m)^#([A-Z_]+=)`).ReplaceAllString(string(text), "$1")
	kept = regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(kept, "")
	return regexp.MustCompile(`\\\n\s*`).ReplaceAllString(kept, "")
}

// settings returns all values that a setting is given in a unit or a list of variables.
func settings(text, name string) (values []string) {
	for _, m := range regexp.MustCompile(`(?m)^`+name+`=(.*)$`).FindAllStringSubmatch(text, -1) {
		values = append(values, m[1])
	}
	return values
}

// flagsOf returns the flags of a command by their environment variables.
func flagsOf(t *testing.T, command string) map[string]*kong.Flag {
	t.Helper()
	parser, err := kong.New(&commands{}, kong.Name("livemap"), kong.DefaultEnvars("LIVEMAP"))
	require.NoError(t, err)
	flags := map[string]*kong.Flag{}
	for _, node := range parser.Model.Children {
		if node.Name == command {
			for _, flag := range node.Flags {
				for _, env := range flag.Envs {
					flags[env] = flag
				}
			}
		}
	}
	require.NotEmpty(t, flags)
	return flags
}

// Deployed files set only flags that the hub knows, to values that it accepts.
func TestDeployedSettings(t *testing.T) {
	names, err := filepath.Glob(deployDir + "/livemap.service.d/*.conf")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	files := []string{"livemap.service", "livemap.env", "Dockerfile"}
	for _, name := range names {
		files = append(files, filepath.Join("livemap.service.d", filepath.Base(name)))
	}
	flags := flagsOf(t, "serve")
	// systemd's specifiers for directories, and files that this machine does not have.
	replacer := strings.NewReplacer("%S", t.TempDir(), "%d", t.TempDir(), "/var/lib", t.TempDir(),
		"/srv/livemap/city.pmtiles", emptyArchive(t))
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			found := regexp.MustCompile(`\b(LIVEMAP_[A-Z_]+)=(\S+)`).FindAllStringSubmatch(deployFile(t, file), -1)
			require.NotEmpty(t, found)
			args := map[string]string{}
			for _, m := range found {
				flag := flags[m[1]]
				if assert.NotNil(t, flag, "no flag of serve has the variable %s", m[1]) {
					args[flag.Name] = "--" + flag.Name + "=" + replacer.Replace(m[2])
				}
			}
			delete(args, "anonymous") // the example has it beside what it excludes
			if args["jwks-url"]+args["jwt-key"] == "" {
				args["anonymous"] = "--anonymous"
			}
			line := append([]string{"serve"}, slices.Collect(maps.Values(args))...)
			parser, err := kong.New(&commands{}, kong.Name("livemap"))
			require.NoError(t, err)
			_, err = parser.Parse(line)
			assert.NoError(t, err)
		})
	}
}

// Each socket unit names a flag whose place its sockets take, all belong to the
// hub's service, and both halves of the public port have one number.
func TestDeployedSockets(t *testing.T) {
	names, err := filepath.Glob(deployDir + "/*.socket")
	require.NoError(t, err)
	require.Len(t, names, 4)
	flags := flagsOf(t, "serve")
	public := map[string]string{}
	for _, name := range names {
		name = filepath.Base(name)
		text := deployFile(t, name)
		flag := settings(text, "FileDescriptorName")
		require.Len(t, flag, 1, name)
		assert.Contains(t, flags, "LIVEMAP_"+strings.ToUpper(strings.ReplaceAll(flag[0], "-", "_")), name)
		if name != "livemap.socket" {
			assert.Equal(t, []string{"livemap.service"}, settings(text, "Service"), name)
		}
		for _, setting := range []string{"ListenStream", "ListenDatagram"} {
			for _, address := range settings(text, setting) {
				switch flag[0] {
				case "listen":
					public[setting] = address
				case "publish-listen":
					assert.True(t, strings.HasPrefix(address, "/"), "a port would let in every user of the machine")
					assert.Equal(t, []string{"0660"}, settings(text, "SocketMode"))
					users := deployFile(t, "livemap.sysusers.conf")
					for _, user := range append(settings(text, "SocketGroup"),
						settings(deployFile(t, "livemap.service"), "(?:User|Group)")...) {
						assert.Contains(t, users, "u "+user+" ")
					}
				case "proxy-listen":
					caddy, err := os.ReadFile("../../Caddyfile")
					require.NoError(t, err)
					assert.Contains(t, string(caddy), "unix/"+address+"}")
				}
			}
		}
	}
	assert.NotEmpty(t, public["ListenStream"])
	assert.Equal(t, public["ListenStream"], public["ListenDatagram"])
}

// The service is given as long to end as it takes by default, which docker stop waits for too, and is
// not kept from being started again by the exit status of a panic.
func TestDeployedService(t *testing.T) {
	text := deployFile(t, "livemap.service")
	assert.Equal(t, []string{"notify"}, settings(text, "Type"))
	assert.Equal(t, []string{"/usr/local/bin/livemap serve"}, settings(text, "ExecStart"))
	assert.Empty(t, settings(text, "RestartPreventExitStatus"))
	assert.Equal(t, []string{"always"}, settings(text, "Restart"))
	burst, err := strconv.Atoi(settings(text, "StartLimitBurst")[0])
	require.NoError(t, err)
	interval, err := time.ParseDuration(strings.TrimSuffix(settings(text, "StartLimitIntervalSec")[0], "in"))
	require.NoError(t, err)
	pause, err := time.ParseDuration(settings(text, "RestartSec")[0])
	require.NoError(t, err)
	assert.Less(t, time.Duration(burst)*2*pause, interval, "a hub that refuses to start at once is left alone")
	stop, err := strconv.Atoi(strings.TrimSuffix(settings(text, "TimeoutStopSec")[0], "s"))
	require.NoError(t, err)
	drain, err := time.ParseDuration(flagsOf(t, "serve")["LIVEMAP_DRAIN"].Default)
	require.NoError(t, err)
	assert.Greater(t, float64(stop), (drain + 2*server.EndGrace).Seconds())
	const docker = 10 // seconds that `docker stop` waits, as deploy/README.md says
	assert.Less(t, (drain + 2*server.EndGrace).Seconds(), float64(docker))
}

// The image exposes the port of serve over TCP and UDP, has a health check, and does not run as
// root.
func TestDeployedImage(t *testing.T) {
	text := deployFile(t, "Dockerfile")
	port := strings.TrimPrefix(flagsOf(t, "serve")["LIVEMAP_LISTEN"].Default, ":")
	assert.Contains(t, text, "EXPOSE "+port+"/tcp "+port+"/udp\n")
	assert.Contains(t, text, `CMD ["/livemap", "health"]`)
	assert.Contains(t, text, "ENTRYPOINT [\"/livemap\"]\nCMD [\"serve\"]")
	assert.Regexp(t, `(?m)^USER [1-9][0-9]*:[1-9][0-9]*$`, text)
	serve, health := flagsOf(t, "serve")["LIVEMAP_PUBLISH_LISTEN"], flagsOf(t, "health")["LIVEMAP_TO"]
	assert.Equal(t, "http://"+serve.Default, health.Default, "health asks where serve listens")
}

// The image says which version it is: its build gets it, links it in and labels it.
func TestImageSaysItsVersion(t *testing.T) {
	text := deployFile(t, "Dockerfile")
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	given := regexp.MustCompile(`--build-arg (\w+)=`).FindAllStringSubmatch(string(makefile), -1)
	require.Len(t, given, 3)
	for _, m := range given {
		assert.Equal(t, 2, strings.Count(text, "\nARG "+m[1]), "%s, for the program and for the labels", m[1])
		assert.Regexp(t, `(?m)^LABEL .*=\$`+m[1]+`\b`, text)
	}
	if testing.Short() {
		t.Skip("links the program")
	}
	build := regexp.MustCompile(`(?m)^RUN (.*go build.*) && `).FindStringSubmatch(text)
	require.NotNil(t, build)
	program := filepath.Join(t.TempDir(), "livemap")
	// Without what would compile all packages anew.
	script := strings.NewReplacer("-trimpath", "", "/image/livemap", program, " ./cmd/livemap", " .",
		"CGO_ENABLED=0", "").Replace(build[1])
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.Env = append(os.Environ(), "TARGETOS="+runtime.GOOS, "TARGETARCH="+runtime.GOARCH,
		"VERSION=v1.2.3-4-gabc", "COMMIT=0123456789abcdef", "TIME=2026-11-28T21:42:00Z")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.CommandContext(t.Context(), program, "version").CombinedOutput()
	require.NoError(t, err)
	assert.Contains(t, string(out), "livemap 1.2.3-4-gabc commit 0123456789ab of 2026-11-28 ")
}

// The image is built with the Go of go.mod, and with a Node that README names.
func TestImageBases(t *testing.T) {
	text := deployFile(t, "Dockerfile")
	for file, bases := range map[string][2]string{
		"../../go.mod":    {`(?m)^ARG GO_IMAGE=golang:(\d+\.\d+)-`, `(?m)^go (\d+\.\d+)`},
		"../../README.md": {`(?m)^ARG NODE_IMAGE=node:(\d+)-`, `image is built with (\d+)\)`},
	} {
		says, err := os.ReadFile(file)
		require.NoError(t, err)
		base := regexp.MustCompile(bases[0]).FindStringSubmatch(text)
		named := regexp.MustCompile(bases[1]).FindSubmatch(says)
		require.NotNil(t, base, file)
		require.NotNil(t, named, file)
		assert.Equal(t, string(named[1]), base[1], file)
	}
	assert.Equal(t, 2, strings.Count(text, "\nFROM --platform=$BUILDPLATFORM "), "both build natively")
}

// systemd itself verifies the units.
func TestUnitsBySystemd(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("NOT TESTED: there is no systemd-analyze here")
	}
	dir := t.TempDir()
	program, err := os.Executable()
	require.NoError(t, err)
	names, err := filepath.Glob(deployDir + "/livemap*.s*t")
	require.NoError(t, err)
	units := []string{}
	for _, name := range append(names, deployDir+"/livemap.service") {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		units = append(units, filepath.Join(dir, filepath.Base(name)))
		text = []byte(strings.ReplaceAll(string(text), "/usr/local/bin/livemap ", program+" ")) // which must exist
		require.NoError(t, os.WriteFile(units[len(units)-1], text, 0o644))
	}
	out, err := exec.CommandContext(t.Context(), analyze,
		append([]string{"verify", "--man=no"}, units...)...).CombinedOutput()
	assert.NoError(t, err, "%s", out)
	for line := range strings.Lines(string(out)) {
		assert.NotContains(t, line, dir, "it complains of our units")
	}
	out, err = exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold=15",
		units[len(units)-1]).CombinedOutput()
	assert.NoError(t, err, "exposed more than 1.5 of 10: %s", out)
}

// emptyArchive makes a PMTiles archive without tiles.
func emptyArchive(t *testing.T) string {
	t.Helper()
	header := make([]byte, 127)
	copy(header, "PMTiles\x03")
	header[56] = 127 // where tiles begin
	header[97], header[98], header[99] = 1, 1, 1
	path := filepath.Join(t.TempDir(), "city.pmtiles")
	require.NoError(t, os.WriteFile(path, header, 0o644))
	return path
}
