package token

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Patterns are ids and prefixes of ids. A prefix ends with `*`.
type Patterns []string

// Match reports whether one of the patterns is the id or a prefix of it.
func (p Patterns) Match(id string) bool {
	for _, pattern := range p {
		if prefix, open := strings.CutSuffix(pattern, "*"); open && strings.HasPrefix(id, prefix) || pattern == id {
			return true
		}
	}
	return false
}

// AreIDs reports whether no pattern is a prefix.
func (p Patterns) AreIDs() bool {
	return !slices.ContainsFunc(p, func(pattern string) bool { return strings.HasSuffix(pattern, "*") })
}

// UnmarshalJSON reads an array of strings. The error is that of [Patterns.Check].
func (p *Patterns) UnmarshalJSON(text []byte) error {
	var list []string
	if err := json.Unmarshal(text, &list); err != nil {
		return fmt.Errorf("must be an array of strings")
	}
	if err := Patterns(list).Check(); err != nil {
		return err
	}
	*p = list
	return nil
}

// Check returns an error for an empty pattern and for a `*` that is not at the end.
func (p Patterns) Check() error {
	for _, pattern := range p {
		if i := strings.IndexByte(pattern, '*'); i >= 0 && i < len(pattern)-1 {
			return fmt.Errorf("has %.80q; a * is allowed only at the end", pattern)
		}
		if pattern == "" {
			return fmt.Errorf(`has ""; the pattern for everything is "*"`)
		}
	}
	return nil
}
