package main

import (
	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is what --help says beyond the flags.
func (c *completionCmd) Help() string {
	return `Prints a script that has the shell complete commands, flags and their values with the Tab key. livemap must be in the PATH. A line in the shell's own file loads the script:

    ~/.bashrc                    source <(livemap completion bash)
    ~/.zshrc, after compinit     source <(livemap completion zsh)
    ~/.config/fish/config.fish   livemap completion fish | source`
}

// Run prints the script.
func (c *completionCmd) Run(call *kong.Context) error {
	return (&kongcompletion.Completion{Shell: c.Shell, Code: true}).Run(call)
}

// complete answers a shell that asks what could come next on its command line, and reports whether
// one asked: the environment variable COMP_LINE holds that line.
func complete(parser *kong.Kong) (asked bool) {
	kongcompletion.Register(parser, kongcompletion.WithExitFunc(func(int) { asked = true }))
	return asked
}
