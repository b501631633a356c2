package bench

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
// it is told of.
type CPU struct {
	Total  float64 `json:"total_us"`
	User   float64 `json:"user_us"`
	System float64 `json:"system_us"`
}

// per spreads processor time over n things.
func (c cpuTime) per(n float64) *CPU {
	if n <= 0 {
		return nil
	}
	// The system tells user and system time in ticks of 10 ms, the total exactly.
	total := float64(c.total.Microseconds())
	share := 0.0
	if ticks := c.user + c.system; ticks > 0 {
		share = float64(c.user) / float64(ticks)
	}
	return &CPU{total / n, total * share / n, total * (1 - share) / n}
}

// cpuTime is the processor time of some processes.
type cpuTime struct{ total, user, system time.Duration }

func (c cpuTime) minus(before cpuTime) cpuTime {
	return cpuTime{c.total - before.total, c.user - before.user, c.system - before.system}
}

// cpuOf gives the processor time that processes have used since they began.
func cpuOf(pids []int) (all cpuTime, err error) {
	for _, pid := range pids {
		one, err := statOf(pid)
		if err != nil {
			return all, err
		}
		if exact, err := processClock(pid); err == nil {
			one.total = exact
		}
		all.total += one.total
		all.user += one.user
		all.system += one.system
	}
	return all, nil
}

// tick is the unit of /proc/PID/stat; it is 10 ms on all systems that Go knows.
const tick = 10 * time.Millisecond

// statOf reads utime and stime of proc_pid_stat(5).
func statOf(pid int) (cpuTime, error) {
	text, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return cpuTime{}, needsProc(err)
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:]) // the name may have blanks
	if len(fields) < 13 {
		return cpuTime{}, fmt.Errorf("%s is not as expected", procFile(pid, "stat"))
	}
	user, err1 := strconv.Atoi(string(fields[11]))
	system, err2 := strconv.Atoi(string(fields[12]))
	if err1 != nil || err2 != nil {
		return cpuTime{}, fmt.Errorf("%s is not as expected", procFile(pid, "stat"))
	}
	c := cpuTime{user: time.Duration(user) * tick, system: time.Duration(system) * tick}
	c.total = c.user + c.system
	return c, nil
}

// residentOf gives the resident memory of processes, in bytes.
func residentOf(pids []int) (sum int64, err error) {
	for _, pid := range pids {
		text, err := os.ReadFile(procFile(pid, "status"))
		if err != nil {
			return 0, needsProc(err)
		}
		for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
			if size, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
				kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(size), " kB"), 10, 64)
				if err != nil {
					return 0, err
				}
				sum += kib << 10
			}
		}
	}
	return sum, nil
}

// machineBusy gives the processor time of everything on the machine, also what a
// hypervisor took away; 0 where that is not known (proc_stat(5)).
func machineBusy() (busy time.Duration) {
	text, _ := os.ReadFile("/proc/stat")
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

// childrenOf gives the processes that pid has started (proc_pid_children(5)).
func childrenOf(pid int) (pids []int, err error) {
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
