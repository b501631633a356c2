package main

import (
	"maps"
	"slices"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHelpTextsAreNeeded fails for a text whose flag does not exist.
func TestHelpTextsAreNeeded(t *testing.T) {
	parser, err := kong.New(&commands{}, kong.Name("livemap"))
	require.NoError(t, err)
	known := map[string]bool{}
	for _, command := range parser.Model.Children {
		for _, argument := range command.Positional {
			known[command.Name+" "+argument.Name] = true
		}
		for _, flag := range command.Flags {
			known[command.Name+" "+flag.Name] = true
		}
	}
	for _, tables := range flagHelp {
		for _, texts := range tables {
			for name := range texts {
				used := false
				for command, others := range flagHelp {
					shares := slices.ContainsFunc(others, func(other helpTexts) bool { return maps.Equal(other, texts) })
					used = used || shares && known[command+" "+name]
				}
				assert.True(t, used, "no command has %q", name)
			}
		}
	}
}

func TestMissingHelpTextFails(t *testing.T) {
	var flag struct {
		Serve struct{ Unheard bool } `cmd:""`
	}
	_, err := kong.New(&flag, kong.PostBuild(setHelp))
	assert.ErrorContains(t, err, "livemap serve: --unheard has no help text")
	var command struct {
		Unheard struct{} `cmd:""`
	}
	_, err = kong.New(&command, kong.PostBuild(setHelp))
	assert.ErrorContains(t, err, "livemap unheard has no help text")
}
