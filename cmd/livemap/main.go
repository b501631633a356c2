// Command livemap is a hub for live fleet tracking: vehicles report where they
// are, and everyone who watches sees it at once.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"livemap/cmd/livemap/server"
)

// commands is the whole command line; each command lives in a file of its own.
type commands struct {
	Serve      serveCmd      `cmd:"" group:"run" help:"Run the hub."`
	Demo       demoCmd       `cmd:"" group:"run" help:"Run a hub, a simulated fleet and the map, with nothing to configure."`
	Simulate   simulateCmd   `cmd:"" group:"publish" help:"Publish a simulated fleet."`
	Replay     replayCmd     `cmd:"" group:"publish" help:"Publish recorded positions in time order."`
	Tail       tailCmd       `cmd:"" group:"watch" help:"Follow streams in the terminal."`
	Token      tokenCmd      `cmd:"" group:"operate" help:"Make a key, or a token signed with one."`
	Health     healthCmd     `cmd:"" group:"operate" help:"Ask whether a hub is ready; exit status 0 or 1."`
	Bench      benchCmd      `cmd:"" group:"operate" help:"Measure a hub under load, and what the same deliveries cost at least."`
	Completion completionCmd `cmd:"" group:"program" help:"Print a script that completes commands and flags in bash, zsh or fish."`
	Version    versionCmd    `cmd:"" group:"program" help:"Print which version this is."`

	VersionFlag kong.VersionFlag `name:"version" env:"-" help:"Tell which version this is."`
}

// groups are the headings that --help lists the commands under.
var groups = kong.Groups{
	"run":     "Run a hub:",
	"publish": "Publish:",
	"watch":   "Watch:",
	"operate": "Operate:",
	"program": "The program itself:",
}

// streams are the standard streams a command talks to.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is a mistake in how the program was called: exit status 2.
type usageError struct{ error }

// asUsage marks a mistake in a hub's configuration as one in the call: the flags made it.
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
	// Who asks again means at once. But a terminal and whoever started us may both pass
	// on the same Ctrl-C.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	os.Exit(exitStatus(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}), os.Stderr))
}

// exitStatus tells err on stderr and gives the program's exit status for it: 0
// for none, 2 for a mistake on the command line, else 1.
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

// run is the program without the process around it. It returns when the
// command is done or, for those that run on, when ctx is.
func run(ctx context.Context, args []string, std streams) error {
	helped := false
	parser, err := kong.New(&commands{},
		kong.Name("livemap"),
		kong.Description("A hub for live fleet tracking: positions in by POST, out by Server-Sent Events."),
		kong.DefaultEnvars("LIVEMAP"),
		kong.PostBuild(setHelp),
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

// explained adds what a flag is for, and its range, to an error that names it.
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
			return fmt.Errorf("%w; %s is: %s", err, "--"+name, flag.Help)
		}
	}
	return err
}

// helpAsFlag lets `livemap help CMD` mean `livemap CMD --help`.
func helpAsFlag(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(append([]string{}, args[1:]...), "--help")
	}
	return args
}
