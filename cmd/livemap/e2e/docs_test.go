package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// docsRoot is the top of the repository.
const docsRoot = "../../.."

// document is a file of Markdown, without its blocks, and the blocks.
type document struct {
	path   string // from docsRoot
	prose  string // whole, with empty lines in place of the blocks
	blocks []docBlock
}

// docBlock is a fenced block. reason is why it is not run, and checkedBy names the check that
// replaces the run.
type docBlock struct {
	language, text, reason, checkedBy string
	line                              int
}

var notRun = regexp.MustCompile(`^<!-- not run: (.+); checked by (.+) -->$`)

// declaredTests returns the names of all tests, fuzz targets and benchmarks in Go.
func declaredTests(t *testing.T) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	eachFile(t, "_test.go", func(_, text string) {
		for _, m := range declared.FindAllStringSubmatch(text, -1) {
			tests[m[1]] = true
		}
	})
	return tests
}

// documents returns all documents of the repository.
func documents(t *testing.T) (docs []document) {
	t.Helper()
	eachFile(t, ".md", func(path string, text string) { docs = append(docs, parseDocument(path, text)) })
	require.Greater(t, len(docs), 5)
	return docs
}

// eachFile visits the repository's own files whose names end in suffix.
func eachFile(t *testing.T, suffix string, visit func(path, text string)) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(docsRoot, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"node_modules", "testdata", "dist", "bin", ".git"}, d.Name()):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, suffix):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		path, err = filepath.Rel(docsRoot, path)
		visit(filepath.ToSlash(path), string(text))
		return err
	}))
}

func parseDocument(path, text string) document {
	doc := document{path: path}
	var prose strings.Builder
	var block *docBlock
	before := "" // the last line that is not empty
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\n")
		language, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && block == nil:
			doc.blocks = append(doc.blocks, docBlock{language: language, line: n})
			block = &doc.blocks[len(doc.blocks)-1]
			if m := notRun.FindStringSubmatch(before); m != nil {
				block.reason, block.checkedBy = m[1], m[2]
			}
		case fence:
			block = nil
		case block != nil:
			block.text += line + "\n"
		default:
			prose.WriteString(line)
		}
		prose.WriteByte('\n')
		if line != "" {
			before = line
		}
	}
	doc.prose = prose.String()
	return doc
}

// commands returns the commands of a block, each on one line.
func (b docBlock) commands() (commands []string) {
	for line := range strings.Lines(strings.ReplaceAll(b.text, "\\\n", "")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			commands = append(commands, line)
		}
	}
	return commands
}

// runHere is how commands begin that harm no machine, wherever the tests run.
var runHere = regexp.MustCompile(`^([A-Z_]+=\$\()?(\./livemap|curl|cat) `)

// TestDocumentedBlocks requires a check for every block. A block that is not run has a reason, and
// names the test, make target or file that checks it.
func TestDocumentedBlocks(t *testing.T) {
	tests := declaredTests(t)
	makefile, err := os.ReadFile(filepath.Join(docsRoot, "Makefile"))
	require.NoError(t, err)
	exists := func(check string) bool {
		if target, ok := strings.CutPrefix(check, "make "); ok {
			return regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(target) + `:`).Match(makefile)
		}
		_, err := os.Stat(filepath.Join(docsRoot, check))
		return tests[check] || err == nil
	}
	for _, doc := range documents(t) {
		for _, block := range doc.blocks {
			at := fmt.Sprintf("%s:%d", doc.path, block.line)
			switch block.language {
			case "sh":
				require.NotEmpty(t, block.commands(), at)
				for _, command := range block.commands() {
					if block.reason == "" {
						require.Regexp(t, runHere, command, "%s: this is not run here; say why, and what checks it", at)
					}
				}
				if block.reason != "" {
					require.True(t, exists(block.checkedBy), "%s: there is no %q to check this block", at, block.checkedBy)
				}
				continue // TestDocumentedCommands runs it, or it said why not
			case "json":
				require.True(t, json.Valid([]byte(block.text)), "%s: this is not JSON", at)
			case "js":
				_, isRun := documentedEventSources[doc.path]
				inBrowser := []string{"web/README.md", "web/package/README.md"} // web/test has their tests
				require.True(t, isRun || slices.Contains(inBrowser, doc.path), "%s: no test runs this", at)
			case "vue", "html":
				require.Equal(t, "web/README.md", doc.path, "%s: no test runs this", at)
			case "nginx", "haproxy", "apache", "lighttpd":
				require.Equal(t, "deploy/PROXIES.md", doc.path, "%s: no test runs this", at)
			default:
				require.Equal(t, "text", block.language, "%s: a block is sh, json, js, vue, html, a proxy's or text", at)
			}
			require.Empty(t, block.reason, "%s: only blocks of sh are run here", at)
		}
		require.Equal(t, strings.Count(doc.prose, "<!-- not run"), countReasons(doc.blocks),
			`%s: a comment is <!-- not run: REASON; checked by WHAT -->, in one line right before its block`, doc.path)
	}
}

func countReasons(blocks []docBlock) (n int) {
	for _, block := range blocks {
		if block.reason != "" {
			n++
		}
	}
	return n
}

// TestDocumentedCommands runs every command of each document, in order.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	ran := 0
	for _, doc := range documents(t) {
		var commands []string
		for _, block := range doc.blocks {
			if block.language == "sh" && block.reason == "" {
				commands = append(commands, block.commands()...)
			}
		}
		if len(commands) == 0 {
			continue
		}
		ran += len(commands)
		t.Run(doc.path, func(t *testing.T) {
			t.Parallel()
			shell := newDocShell(t)
			for _, command := range commands {
				require.Regexp(t, runHere, command)
				shell.run(t, command)
			}
		})
	}
	require.Greater(t, ran, 30)
}

// docShell runs commands in order, as a reader of the document would.
type docShell struct {
	dir string
	env []string
	hub *runningHub // that the commands mean
}

func newDocShell(t *testing.T) *docShell {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Symlink(program, filepath.Join(dir, "livemap")))
	cmd, err := filepath.Abs(filepath.Join(docsRoot, "cmd"))
	require.NoError(t, err)
	require.NoError(t, os.Symlink(cmd, filepath.Join(dir, "cmd")))
	curlrc := "silent\nshow-error\nfail-with-body\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".curlrc"), []byte(curlrc), 0o644))
	s := &docShell{dir: dir, hub: startHub(t, "--listen", "localhost:0", "--heartbeat", "1s")}
	s.env = append(os.Environ(), "CURL_HOME="+dir,
		"LIVEMAP_LISTEN=localhost:0", "LIVEMAP_PROXY_LISTEN=localhost:0", "LIVEMAP_PUBLISH_LISTEN=127.0.0.1:0")
	return s
}

// docEndless are commands that run until they are interrupted, and what they print by then.
var docEndless = map[string]string{
	"./livemap demo":     "Ctrl-C",
	"./livemap simulate": "positions/s",
}

var assignment = regexp.MustCompile(`^([A-Z_]+)=\$\(.+\)$`)

// run runs a command to its end, which must be a success: a stream until it is live, a hub until it is
// ready. From then on the commands mean that hub.
func (s *docShell) run(t *testing.T, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), e2eLimit)
	defer cancel()
	if strings.HasPrefix(command, "./livemap serve") {
		s.serve(t, command)
		return
	}
	script, variable := s.here(command), ""
	switch m := assignment.FindStringSubmatch(command); {
	case m != nil:
		variable = m[1]
		script += ` && printf %s "$` + variable + `"`
	case !strings.Contains(command, "|"):
		script = "exec " + script
	}
	process := s.process(ctx, script)
	for endless, says := range docEndless {
		if strings.HasPrefix(command, endless) {
			interruptWhen(t, process, says)
			return
		}
	}
	stdin, err := process.StdinPipe()
	require.NoError(t, err)
	defer stdin.Close()
	var complaints bytes.Buffer
	process.Stderr = &complaints
	stdout, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	streams := strings.HasPrefix(command, "curl -N")
	out := readUntilLive(stdout, streams)
	if streams {
		require.Contains(t, out, "event: live", "%s\n%s", command, &complaints)
		cancel()
		process.Wait()
		return
	}
	require.NoError(t, process.Wait(), "%s\n%s\n%s", command, out, &complaints)
	if strings.Contains(command, "/publish") {
		require.Regexp(t, `"status":"(OK|PARTIAL)"`, out, command)
		require.NotRegexp(t, `"accepted":0[^\n]*\n$|"late":[1-9]`, out, "%s: it moves nothing on the map", command)
	}
	if variable != "" {
		require.NotEmpty(t, strings.TrimSpace(out), command)
		s.env = append(s.env, variable+"="+strings.TrimSpace(out))
	}
}

// here returns a command the addresses of the tests' own hub.
func (s *docShell) here(command string) string {
	port := func(address string) string { return address[strings.LastIndex(address, ":"):] }
	return strings.NewReplacer("http://127.0.0.1:9801", s.hub.publish,
		"https://hub.example.com:9801", "https://localhost"+port(s.hub.publish),
		"localhost:4433", "localhost"+port(s.hub.public)).Replace(command)
}

func (s *docShell) process(ctx context.Context, script string) *exec.Cmd {
	process := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", script)
	process.Dir, process.WaitDelay = s.dir, 5*time.Second
	process.Env = append(slices.Clone(s.env), "LIVEMAP_TO="+s.hub.publish) // where the commands' defaults point
	return process
}

// serve ends the previous hub, and starts one as a document does, but on free ports.
func (s *docShell) serve(t *testing.T, command string) {
	t.Helper()
	s.hub.stop(t)
	hub := &runningHub{log: &hubLog{grown: make(chan struct{})}, ended: make(chan struct{})}
	command = strings.NewReplacer("localhost:4433", "localhost:0", "--publish-listen :9801",
		"--publish-listen :0").Replace(command)
	process := s.process(context.Background(), "exec "+command)
	state := filepath.Join(s.dir, "state")
	process.Env = append(process.Env, "LIVEMAP_STATE_DIR="+state, "LIVEMAP_LOG_FORMAT=json")
	process.Stderr = hub.log
	_, err := process.StdinPipe() // which ends with the test
	require.NoError(t, err)
	require.NoError(t, process.Start())
	hub.interrupt = func() { process.Process.Signal(os.Interrupt) }
	go func() {
		defer close(hub.ended)
		hub.err = process.Wait()
	}()
	s.hub = hub.ready(t)
}

// interruptWhen runs a process until it has printed something, and then interrupts it, which is a success.
func interruptWhen(t *testing.T, process *exec.Cmd, says string) {
	t.Helper()
	stdin, err := process.StdinPipe()
	require.NoError(t, err)
	defer stdin.Close()
	out, in := io.Pipe()
	process.Stdout, process.Stderr = in, in
	require.NoError(t, process.Start())
	ended := make(chan error, 1)
	go func() {
		ended <- process.Wait()
		in.Close()
	}()
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if strings.Contains(lines.Text(), says) {
			process.Process.Signal(os.Interrupt)
		}
	}
	require.NoError(t, <-ended, "%s\n%s", process, &said)
	require.Contains(t, said.String(), says)
}

func readUntilLive(stdout io.Reader, untilLive bool) string {
	var out strings.Builder
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Fprintln(&out, lines.Text())
		if untilLive && lines.Text() == "event: live" {
			break
		}
	}
	return out.String()
}

// documentedEventSources are the documents whose JavaScript uses EventSource, each with the text
// that it logs.
var documentedEventSources = map[string]string{
	"README.md":     "TRUCK-042 [ 13.4, 52.52 ]\nthis was the state; now it is live\n",
	"api/README.md": "live snapshot 1\n",
}

// TestDocumentedEventSource runs the documents' pages with the EventSource of npm.
func TestDocumentedEventSource(t *testing.T) {
	t.Parallel()
	needForeignPackages(t)
	hub := startHub(t)
	hub.post(t, "application/json", `{"vehicle_id":"TRUCK-042","lat":52.52,"lon":13.4}`)
	ran := 0
	for _, doc := range documents(t) {
		for _, block := range doc.blocks {
			want, ok := documentedEventSources[doc.path]
			if block.language != "js" || !ok {
				continue
			}
			ran++
			hubs := strings.NewReplacer("https://localhost:4433", hub.proxy,
				`EventSource("/`, `EventSource("`+hub.proxy+"/")
			script := `import { EventSource } from "eventsource"; globalThis.EventSource = EventSource;` + "\n" +
				hubs.Replace(block.text) + `stream.addEventListener("live", () => process.exit(0));`
			command := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", script)
			command.Dir = foreignScripts
			out, err := command.CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Equal(t, want, string(out), doc.path)
		}
	}
	require.Equal(t, len(documentedEventSources), ran)
}

var (
	docLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	docHeading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestDocumentedLinks follows the links between documents, to files and to headings in them.
func TestDocumentedLinks(t *testing.T) {
	docs := documents(t)
	headings := map[string][]string{}
	for _, doc := range docs {
		for _, m := range docHeading.FindAllStringSubmatch(doc.prose, -1) {
			slug := notInSlug.ReplaceAllString(strings.ToLower(m[1]), "")
			headings[doc.path] = append(headings[doc.path], strings.ReplaceAll(slug, " ", "-"))
		}
	}
	followed := 0
	for _, doc := range docs {
		for _, m := range docLink.FindAllStringSubmatch(doc.prose, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			followed++
			to, heading, _ := strings.Cut(m[1], "#")
			file := doc.path
			if to != "" {
				file = filepath.ToSlash(filepath.Join(filepath.Dir(doc.path), to))
				_, err := os.Stat(filepath.Join(docsRoot, file))
				assert.NoError(t, err, "%s links to %s", doc.path, m[1])
			}
			if heading != "" {
				assert.Contains(t, headings[file], heading, "%s links to %s", doc.path, m[1])
			}
		}
	}
	require.Greater(t, followed, 20)
}

// docColumns is how long a line of a document may be, but for tables and comments.
const docColumns = 110

// TestDocumentedLines holds the documents to lines that fit beside each other.
func TestDocumentedLines(t *testing.T) {
	for _, doc := range documents(t) {
		n := 0
		for line := range strings.Lines(doc.prose) {
			n++
			if strings.HasPrefix(line, "|") || strings.HasPrefix(line, "<!--") {
				continue
			}
			line = strings.TrimRight(line, "\n")
			assert.LessOrEqual(t, utf8.RuneCountInString(line), docColumns, "%s:%d", doc.path, n)
		}
	}
}

// TestDocumentedTests finds every test that a document names.
func TestDocumentedTests(t *testing.T) {
	tests := declaredTests(t)
	named := 0
	for _, doc := range documents(t) {
		names := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w+)`")
		for _, m := range names.FindAllStringSubmatch(doc.prose, -1) {
			named++
			assert.True(t, tests[m[1]], "%s names %s, which does not exist", doc.path, m[1])
		}
	}
	require.Greater(t, named, 50)
}
