package server

import (
	"fmt"
	"math"
	"strings"

	"github.com/dustin/go-humanize"
)

// Size is a number of bytes. As text it is written like 64MiB.
type Size int

// UnmarshalText reads a size. An error says how to write one.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n > math.MaxInt {
		return fmt.Errorf("%q is not a size; it must be like 64MiB", text)
	}
	*s = Size(n)
	return nil
}

// String writes the size in the largest binary unit that fits, rounded.
func (s Size) String() string { return strings.ReplaceAll(humanize.IBytes(uint64(s)), " ", "") }
