package report

import (
	"bytes"
	"debug/buildinfo"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// machine is where a benchmark ran.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	// Load is the system's load average of one, five and fifteen minutes when the
	// benchmark began: others may have been at work.
	Load string `json:"load_average"`
}

func thisMachine() machine {
	m := machine{
		CPU:   "unknown",
		Cores: runtime.NumCPU(),
		Go:    runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH,
	}
	m.Kernel = firstWords("/proc/sys/kernel/osrelease", 1)
	m.Load = firstWords("/proc/loadavg", 3)
	cpus, _ := os.ReadFile("/proc/cpuinfo")
	for line := range bytes.Lines(cpus) {
		if name, value, ok := strings.Cut(string(line), ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	return m
}

// firstWords returns the first words of a file, "" where there is none.
func firstWords(path string, words int) string {
	text, _ := os.ReadFile(path)
	fields := strings.Fields(string(text))
	return strings.Join(fields[:min(words, len(fields))], " ")
}

// commit returns the revision that a program was built from; "" is this program.
func commit(program string) string {
	info, _ := debug.ReadBuildInfo()
	if program != "" {
		info, _ = buildinfo.ReadFile(program)
	}
	if info == nil {
		return "unknown"
	}
	revision, modified := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = " with changes"
		}
	}
	return revision + modified
}
