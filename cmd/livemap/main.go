// Command livemap is a hub for live fleet tracking: vehicles report their positions, and everyone who
// watches sees them at once.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"livemap/cmd/livemap/server"
)

// commands is the whole command line. Each command has a file of its own.
type commands struct {
	Serve      serveCmd      `cmd:"" group:"run"`
	Demo       demoCmd       `cmd:"" group:"run"`
	Simulate   simulateCmd   `cmd:"" group:"publish"`
	Replay     replayCmd     `cmd:"" group:"publish"`
	Tail       tailCmd       `cmd:"" group:"watch"`
	Token      tokenCmd      `cmd:"" group:"operate"`
	Health     healthCmd     `cmd:"" group:"operate"`
	Fence      fenceCmd      `cmd:"" group:"operate"`
	Journal    journalCmd    `cmd:"" group:"operate"`
	Bench      benchCmd      `cmd:"" group:"operate"`
	Completion completionCmd `cmd:"" group:"program"`
	Version    versionCmd    `cmd:"" group:"program"`

	VersionFlag kong.VersionFlag `name:"version" env:"-" help:"Print the version."`
}

// commandHelp has the help texts of the commands.
var commandHelp = helpTexts{
	"serve":      "Run the hub.",
	"demo":       "Run a hub, a simulated fleet and the map, with nothing to configure.",
	"simulate":   "Publish a simulated fleet.",
	"replay":     "Publish recorded positions in time order.",
	"tail":       "Follow streams in the terminal.",
	"token":      "Make a key, a token signed with one, or certificates.",
	"health":     "Ask whether a hub is ready; exit status 0 or 1.",
	"fence":      "List, read, make or delete fences.",
	"journal":    "Describe, check, back up or restore the journal of a hub, or change its settings.",
	"bench":      "Measure a hub under load, beside the least that the same deliveries cost.",
	"completion": "Print a script that completes commands and flags in bash, zsh or fish.",
	"version":    "Print the version.",
}

// groups are the headings of the commands in --help.
var groups = kong.Groups{
	"run":     "Run a hub:",
	"publish": "Publish:",
	"watch":   "Watch:",
	"operate": "Operate:",
	"program": "The program itself:",
}

// streams are the standard streams of a command.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is a mistake in the call. The exit status is 2.
type usageError struct{ error }

// asUsage marks a mistake in a hub's configuration as one in the call: it comes from the flags.
func asUsage(err error) error {
	if errors.As(err, new(server.ConfigError)) {
		return usageError{err}
	}
	return err
}

func main() {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		ends = append(ends, syscall.SIGHUP) // the terminal was closed
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	// A second signal kills the program at once. The first second is excepted: a terminal and the
	// parent process may both pass on the same Ctrl-C.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	os.Exit(exitStatus(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}), os.Stderr))
}

// exitStatus writes err to stderr and returns the program's exit status: 0 without an error, 2 for a
// mistake in the call, else 1.
func exitStatus(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "livemap:", err)
	if errors.As(err, new(usageError)) {
		return 2
	}
	return 1
}

// run runs the command that args name, without the process around it. It returns when the command or
// ctx is done.
func run(ctx context.Context, args []string, std streams) error {
	helped := false
	parser, err := kong.New(&commands{},
		kong.Name("livemap"),
		kong.Description("A hub for live fleet tracking: positions in by POST, out by Server-Sent Events."),
		kong.DefaultEnvars("LIVEMAP"),
		kong.PostBuild(setHelp),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(decodeDuration)),
		kong.Vars{"version": thisBuild().String()},
		groups,
		kong.Writers(std.out, std.err),
		kong.Exit(func(int) { helped = true }),
		kong.WithHyphenPrefixedParameters(true), // --bbox -97.9,30.1,-97.5,30.5
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	if err != nil {
		return err
	}
	if complete(parser) {
		return nil
	}
	command, err := parser.Parse(helpAsFlag(args))
	switch {
	case helped:
		return nil
	case err != nil:
		return usageError{explained(err)}
	}
	return command.Run()
}

// explained adds the help text of a flag, with its range, to an error about it.
func explained(err error) error {
	name, _, found := strings.Cut(strings.TrimPrefix(err.Error(), "--"), ":")
	if !found || !strings.HasPrefix(err.Error(), "--") {
		return err
	}
	name, _, _ = strings.Cut(name, "=")
	failure, ok := errors.AsType[*kong.ParseError](err)
	if !ok || failure.Context.Selected() == nil {
		return err
	}
	for _, flag := range failure.Context.Selected().Flags {
		if flag.Name == name {
			if strings.HasSuffix(err.Error(), "?") {
				return fmt.Errorf("%w --%s is: %s", err, name, flag.Help)
			}
			return fmt.Errorf("%w; --%s is: %s", err, name, flag.Help)
		}
	}
	return err
}

// helpAsFlag turns `livemap help CMD` into `livemap CMD --help`, and no arguments into `--help`.
func helpAsFlag(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(append([]string{}, args[1:]...), "--help")
	}
	return args
}
