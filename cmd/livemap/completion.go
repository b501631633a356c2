package main

import (
	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help returns what --help adds to the flags.
func (c *completionCmd) Help() string {
	return `Prints a script for the shell. It completes commands, flags and their values with the Tab key.
livemap must be in the PATH. A line in the shell's startup file loads the script:

    ~/.bashrc                    source <(livemap completion bash)
    ~/.zshrc, after compinit     source <(livemap completion zsh)
    ~/.config/fish/config.fish   livemap completion fish | source`
}

// Run prints the script.
func (c *completionCmd) Run(call *kong.Context) error {
	return (&kongcompletion.Completion{Shell: c.Shell, Code: true}).Run(call)
}

// complete answers a shell that asks for completions of the line in COMP_LINE. It reports whether a
// shell asked.
func complete(parser *kong.Kong) (asked bool) {
	kongcompletion.Register(parser, kongcompletion.WithExitFunc(func(int) { asked = true }))
	return asked
}
