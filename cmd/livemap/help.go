package main

import (
	"fmt"
	"slices"

	"github.com/alecthomas/kong"
)

// helpTexts are the help texts of flags and arguments, by name. Each table stands beside its flags. The
// texts are not in struct tags, because a tag cannot be broken across lines. kong replaces ${default}
// and ${enum} in them.
type helpTexts map[string]string

// flagHelp has the tables of each command. If several have a name, the first one counts.
var flagHelp = map[string][]helpTexts{
	"serve":    {serveHelp, sharedHelp},
	"demo":     {demoHelp, sharedHelp, fleetHelp},
	"simulate": {simulateHelp, fleetHelp, hubHelp},
	"replay":   {replayHelp, hubHelp},
	"tail":     {tailHelp, hubHelp},
	"bench":    {benchHelp},
	"token":    {tokenHelp},
	"health":   {healthHelp, hubHelp},
	"journal":  {journalHelp},
	"fence":    {fenceHelp, hubHelp},
}

// setHelp is an option for kong.PostBuild. It sets the texts of commands, flags and arguments that have
// none in their tags. It fails if one has none in the tables either.
func setHelp(app *kong.Kong) error {
	for _, command := range app.Model.Children {
		if command.Help == "" {
			command.Help = commandHelp[command.Name]
		}
		if command.Help == "" {
			return fmt.Errorf("livemap %s has no help text", command.Name)
		}
		values := slices.Clone(command.Positional)
		for _, flag := range command.Flags {
			values = append(values, flag.Value)
		}
		for _, value := range values {
			for _, texts := range flagHelp[command.Name] {
				if value.Help == "" {
					value.Help = texts[value.Name]
				}
			}
			if value.Help == "" {
				return fmt.Errorf("livemap %s: %s has no help text", command.Name, value.Summary())
			}
		}
	}
	return nil
}
