package process

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ms = time.Millisecond

func TestParseStat(t *testing.T) {
	// pid (comm) state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime
	used := CPUTime{100 * ms, 70 * ms, 30 * ms}
	const before = " S 1 42 42 0 -1 4194304 100 200 300 400 "
	for _, test := range []struct {
		name string
		text string
		want CPUTime
		ok   bool
	}{
		{"plain", "42 (livemap)" + before + "7 3 900 800 20", used, true},
		{"a name with blanks and brackets", "42 (a) b (c)" + before + "7 3 900 800 20", used, true},
		{"no time yet", "42 (livemap)" + before + "0 0 0 0 20", CPUTime{}, true},
		{"cut short", "42 (livemap) S 1 42", CPUTime{}, false},
		{"no stime", "42 (livemap)" + before + "7", CPUTime{}, false},
		{"no number", "42 (livemap)" + before + "7 x 900 800 20", CPUTime{}, false},
		{"empty", "", CPUTime{}, false},
	} {
		got, ok := parseStat([]byte(test.text))
		assert.Equal(t, test.ok, ok, test.name)
		assert.Equal(t, test.want, got, test.name)
	}
}

func TestParseResident(t *testing.T) {
	for _, test := range []struct {
		text string
		want int64
	}{
		{"Name:\tlivemap\nVmPeak:\t  900 kB\nVmRSS:\t   123 kB\nRssAnon:\t 100 kB\n", 123 * 1024},
		{"VmRSS:\t 2097152 kB\n", 2 << 30},
		{"Name:\tkthreadd\n", 0},
	} {
		got, err := parseResident([]byte(test.text))
		require.NoError(t, err)
		assert.Equal(t, test.want, got)
	}
	_, err := parseResident([]byte("VmRSS:\t much\n"))
	require.Error(t, err)
}

// TestParseBusy: idle (the fourth) and iowait (the fifth) are no work; guest time, from the
// ninth on, is in user time already.
func TestParseBusy(t *testing.T) {
	for _, test := range []struct {
		name string
		text string
		want time.Duration
	}{
		{"all", "cpu  1 2 4 1000 1000 8 16 32 1000 1000\ncpu0 9 9 9 9 9 9 9 9\n", 63 * tick},
		{"idle alone", "cpu  0 0 0 1000 1000 0 0 0 0 0\n", 0},
		{"no steal", "cpu  1 2 4 1000 1000 8 16\n", 31 * tick},
		{"nothing", "", 0},
	} {
		assert.Equal(t, test.want, parseBusy([]byte(test.text)), test.name)
	}
}

// TestPer: the exact total is shared out as the ticks of user and system time are.
func TestPer(t *testing.T) {
	for _, test := range []struct {
		name string
		used CPUTime
		n    float64
		want *CPU
	}{
		{"each of four", CPUTime{80 * ms, 60 * ms, 20 * ms}, 4, &CPU{20_000, 15_000, 5_000}},
		{"the total is not the ticks' sum", CPUTime{10 * ms, 30 * ms, 10 * ms}, 10, &CPU{1000, 750, 250}},
		{"less than a tick", CPUTime{Total: 3 * ms}, 1000, &CPU{3, 0, 3}},
		{"a part", CPUTime{Total: ms}, 0.5, &CPU{2000, 0, 2000}},
		{"of none", CPUTime{Total: ms}, 0, nil},
		{"of fewer than none", CPUTime{Total: ms}, -1, nil},
	} {
		assert.Equal(t, test.want, test.used.Per(test.n), test.name)
	}
}

func TestSub(t *testing.T) {
	after, before := CPUTime{90 * ms, 50 * ms, 40 * ms}, CPUTime{30 * ms, 20 * ms, 10 * ms}
	assert.Equal(t, CPUTime{60 * ms, 30 * ms, 30 * ms}, after.Sub(before))
	assert.Equal(t, after, after.Sub(CPUTime{}))
}

// TestSums: what several processes use is summed. A process that waits uses no more.
func TestSums(t *testing.T) {
	var pids []int
	for range 2 {
		c, err := Start("sh", []string{"-c", "echo ready; read line"}, nil, true, isReady)
		require.NoError(t, err)
		defer c.Stop()
		pids = append(pids, c.PID())
		awaitSleep(t, c.PID())
	}
	var total CPUTime
	var resident int64
	for _, pid := range pids {
		used, err := CPUTimeOf([]int{pid})
		require.NoError(t, err)
		require.Positive(t, used.Total)
		total.Total += used.Total
		total.user += used.user
		total.system += used.system
		size, err := ResidentOf([]int{pid})
		require.NoError(t, err)
		require.Greater(t, size, int64(50<<10))
		resident += size
	}
	both, err := CPUTimeOf(pids)
	require.NoError(t, err)
	assert.Equal(t, total, both)
	size, err := ResidentOf(pids)
	require.NoError(t, err)
	assert.Equal(t, resident, size)
}

func TestChildrenOf(t *testing.T) {
	c, err := Start("sh", []string{"-c", `sh -c "echo ready \$\$; read line"; true`}, nil, true, isReady)
	require.NoError(t, err)
	defer c.Stop()
	children, err := ChildrenOf(c.PID())
	require.NoError(t, err)
	require.Len(t, children, 1)
	assert.Equal(t, fmt.Sprintf("ready %d", children[0]), c.output.String())
}

// awaitSleep waits until a process waits for its input.
func awaitSleep(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(procFile(pid, "syscall")) // "0 0x0 …" is read(2) from standard input
		if err != nil {
			text, err = os.ReadFile(procFile(pid, "stat"))
			return err == nil && strings.Contains(string(text), ") S ")
		}
		return strings.HasPrefix(string(text), "0 0x0 ")
	}, time.Minute, time.Millisecond)
}

// TestNoProcess: what cannot be read is an error, not a cost of nothing.
func TestNoProcess(t *testing.T) {
	none := []int{1 << 30}
	_, err := CPUTimeOf(none)
	require.ErrorContains(t, err, "/proc")
	_, err = ResidentOf(none)
	require.ErrorContains(t, err, "/proc")
	_, err = ChildrenOf(none[0])
	require.ErrorContains(t, err, "/proc")
	used, err := CPUTimeOf(nil)
	require.NoError(t, err)
	assert.Zero(t, used)
}
