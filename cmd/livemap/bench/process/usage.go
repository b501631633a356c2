// Package process starts the processes that a benchmark measures, and reads how much
// processor time and memory they have used.
package process

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// CPU is processor time, in microseconds: per delivery, per position, or whatever
// is counted.
type CPU struct {
	Total  float64 `json:"total_us"`
	User   float64 `json:"user_us"`
	System float64 `json:"system_us"`
}

// Per spreads processor time over n things.
func (c CPUTime) Per(n float64) *CPU {
	if n <= 0 {
		return nil
	}
	// The system counts user and system time in ticks of 10 ms, the total exactly.
	total := float64(c.Total.Microseconds())
	share := 0.0
	if ticks := c.user + c.system; ticks > 0 {
		share = float64(c.user) / float64(ticks)
	}
	return &CPU{total / n, total * share / n, total * (1 - share) / n}
}

// CPUTime is the processor time of some processes.
type CPUTime struct{ Total, user, system time.Duration }

// Sub returns the processor time since before.
func (c CPUTime) Sub(before CPUTime) CPUTime {
	return CPUTime{c.Total - before.Total, c.user - before.user, c.system - before.system}
}

// CPUTimeOf returns the processor time that processes have used since they began.
func CPUTimeOf(pids []int) (all CPUTime, err error) {
	for _, pid := range pids {
		one, err := statOf(pid)
		if err != nil {
			return all, err
		}
		if exact, err := processClock(pid); err == nil {
			one.Total = exact
		}
		all.Total += one.Total
		all.user += one.user
		all.system += one.system
	}
	return all, nil
}

// Measurable returns an error where the system does not show what processes use.
func Measurable() error {
	if _, err := CPUTimeOf([]int{os.Getpid()}); err != nil {
		return fmt.Errorf("%w; elsewhere bench measures a --target without --pid alone", err)
	}
	return nil
}

// tick is the unit of /proc/PID/stat; it is 10 ms on all systems that Go knows.
const tick = 10 * time.Millisecond

// statOf reads utime and stime of proc_pid_stat(5).
func statOf(pid int) (CPUTime, error) {
	text, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return CPUTime{}, needsProc(err)
	}
	c, ok := parseStat(text)
	if !ok {
		err = fmt.Errorf("%s is not as expected", procFile(pid, "stat"))
	}
	return c, err
}

func parseStat(text []byte) (c CPUTime, ok bool) {
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:]) // the name may have blanks
	if len(fields) < 13 {
		return c, false
	}
	user, err1 := strconv.Atoi(string(fields[11]))
	system, err2 := strconv.Atoi(string(fields[12]))
	if err1 != nil || err2 != nil {
		return c, false
	}
	c = CPUTime{user: time.Duration(user) * tick, system: time.Duration(system) * tick}
	c.Total = c.user + c.system
	return c, true
}

// ResidentOf returns the resident memory of processes, in bytes.
func ResidentOf(pids []int) (sum int64, err error) {
	for _, pid := range pids {
		text, err := os.ReadFile(procFile(pid, "status"))
		if err != nil {
			return 0, needsProc(err)
		}
		resident, err := parseResident(text)
		if err != nil {
			return 0, err
		}
		sum += resident
	}
	return sum, nil
}

// parseResident reads VmRSS of proc_pid_status(5), which is in KiB; 0 if there is none.
func parseResident(text []byte) (int64, error) {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if size, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(size), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, nil
}

// MachineBusy returns the processor time of everything on the machine, also what a
// hypervisor took away; 0 where that is not known (proc_stat(5)).
func MachineBusy() (busy time.Duration) {
	text, _ := os.ReadFile("/proc/stat")
	return parseBusy(text)
}

func parseBusy(text []byte) (busy time.Duration) {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	for i, field := range bytes.Fields(line) {
		const idle, iowait, steal = 4, 5, 8
		if n, err := strconv.Atoi(string(field)); err == nil && i != idle && i != iowait && i <= steal {
			busy += time.Duration(n) * tick
		}
	}
	return busy
}

func procFile(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}

func needsProc(err error) error {
	return fmt.Errorf("processor time and memory of a process are read from /proc, as on Linux: %w", err)
}

// ChildrenOf returns the processes that pid has started (proc_pid_children(5)).
func ChildrenOf(pid int) (pids []int, err error) {
	text, err := os.ReadFile(procFile(pid, filepath.Join("task", strconv.Itoa(pid), "children")))
	if err != nil {
		return nil, needsProc(err)
	}
	for _, field := range strings.Fields(string(text)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		pids = append(pids, child)
	}
	return pids, nil
}
