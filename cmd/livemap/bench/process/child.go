package process

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Child is a process that was started to be measured.
type Child struct {
	cmd    *exec.Cmd
	Stdin  io.WriteCloser
	output *outputTail
	done   chan struct{}
}

// readyWithin is how long a process may take until it serves.
const readyWithin = time.Minute

// Start starts a process with some input. It reads what the process writes to standard
// error, or to standard output, line by line until a line satisfies ready.
func Start(
	program string, args []string, input []byte, stdout bool, ready func(line []byte) bool,
) (*Child, error) {
	c := &Child{cmd: exec.Command(program, args...), output: &outputTail{}, done: make(chan struct{})}
	c.cmd.Env = childEnvironment()
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.cmd.Stderr = c.output
	if stdout {
		c.cmd.Stdout = in
	} else {
		c.cmd.Stderr = in
	}
	if c.Stdin, err = c.cmd.StdinPipe(); err == nil {
		err = c.cmd.Start()
	}
	in.Close() // the process has its own
	if err != nil {
		out.Close()
		return nil, err
	}
	isReady := make(chan struct{})
	c.Stdin.Write(input) // if that fails, the process writes why
	go func() {          // ends when the process does
		c.listen(out, isReady, ready)
		c.cmd.Wait()
		close(c.done)
	}()
	return c, c.awaitReady(isReady)
}

func (c *Child) listen(out *os.File, isReady chan struct{}, ready func(line []byte) bool) {
	defer out.Close()
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		c.output.Write(line)
		if err != nil {
			return
		}
		if ready(line) {
			break
		}
	}
	close(isReady)
	io.Copy(c.output, lines)
}

// StartSilent starts a process that does not announce when it serves. It requests an address
// until that answers.
func StartSilent(ctx context.Context, program string, args []string, address string) (*Child, error) {
	c := &Child{cmd: exec.Command(program, args...), output: &outputTail{}, done: make(chan struct{})}
	c.cmd.Stderr = c.output
	var err error
	if c.Stdin, err = c.cmd.StdinPipe(); err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	go func() {
		c.cmd.Wait()
		close(c.done)
	}()
	isReady := make(chan struct{})
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	go func() { // ends with ctx
		if answers(ctx, address) {
			close(isReady)
		}
	}()
	return c, c.awaitReady(isReady)
}

// answers requests an address until it answers, or ctx ends.
func answers(ctx context.Context, address string) bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return false
		}
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			return true
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return false
}

func (c *Child) awaitReady(isReady chan struct{}) error {
	limit := time.NewTimer(readyWithin)
	defer limit.Stop()
	select {
	case <-isReady:
		return nil
	case <-c.done:
	case <-limit.C:
	}
	c.Stop()
	return fmt.Errorf("%s did not start; it wrote: %s", c.cmd.Path, c.output)
}

// Interrupt asks the process to end, as those that have children of their own must be.
func (c *Child) Interrupt() {
	c.cmd.Process.Signal(os.Interrupt)
	select {
	case <-c.done:
	case <-time.After(5 * time.Second):
	}
	c.Stop()
}

// Stop ends the process.
func (c *Child) Stop() {
	c.Stdin.Close()
	c.cmd.Process.Kill()
	<-c.done
}

// PID returns the process ID.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// childEnvironment keeps settings of this program from those that it measures.
func childEnvironment() (env []string) {
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "LIVEMAP_") || strings.HasPrefix(variable, "LIVEMAP_TEST_") {
			env = append(env, variable)
		}
	}
	return env
}

// outputTail keeps the end of what a process writes.
type outputTail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 2 << 10 // bytes

func (w *outputTail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, p[max(0, len(p)-tailSize):]...)
	if over := len(w.text) - tailSize; over > 0 {
		w.text = append(w.text[:0], w.text[over:]...)
	}
	return len(p), nil
}

func (w *outputTail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(bytes.TrimSpace(w.text))
}
