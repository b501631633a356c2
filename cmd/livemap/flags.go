package main

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/dustin/go-humanize"
)

// size is a number of bytes, written like 64MiB.
type size int

// UnmarshalText reads a size; an error tells what is allowed.
func (s *size) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n > math.MaxInt {
		return fmt.Errorf("%q is no size; it must be written like 64MiB", text)
	}
	*s = size(n)
	return nil
}

func (s size) String() string { return strings.ReplaceAll(humanize.IBytes(uint64(s)), " ", "") }

// network is a range of addresses in CIDR notation.
type network struct{ netip.Prefix }

// UnmarshalText reads a range; an error tells what is allowed.
func (n *network) UnmarshalText(text []byte) (err error) {
	if n.Prefix, err = netip.ParsePrefix(string(text)); err != nil {
		return fmt.Errorf("%q is no network; it must be in CIDR notation, like 10.0.0.0/8 or 192.0.2.1/32", text)
	}
	return nil
}

func prefixes(networks []network) (prefixes []netip.Prefix) {
	for _, n := range networks {
		prefixes = append(prefixes, n.Prefix)
	}
	return prefixes
}

// strangeVariables finds variables in an environment that look like those of flags and
// are none: a misspelt one may be of a flag that keeps somebody out.
func strangeVariables(app *kong.Application, environment []string) (strange []string) {
	known := map[string]bool{}
	for _, command := range app.Leaves(false) {
		for _, group := range command.AllFlags(false) {
			for _, flag := range group {
				for _, name := range flag.Envs {
					known[name] = true
				}
			}
		}
	}
	for _, variable := range environment {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "LIVEMAP_") && !known[name] {
			strange = append(strange, name)
		}
	}
	return strange
}

// within checks a value of a flag against its range.
type within struct {
	flag        string
	value, text string // as given, and the range
	ok          bool
}

func durationWithin(flag string, value, least, most time.Duration) within {
	return within{flag, value.String(), fmt.Sprintf("from %s to %s", least, most), least <= value && value <= most}
}

func sizeWithin(flag string, value, least, most size) within {
	return within{flag, value.String(), fmt.Sprintf("from %s to %s", least, most), least <= value && value <= most}
}

func (c within) err() error {
	if c.ok {
		return nil
	}
	return fmt.Errorf("--%s is %s; it must be %s", c.flag, c.value, c.text)
}
