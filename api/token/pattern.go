package token

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Patterns are ids, or beginnings of ids: those with a `*` at the end.
type Patterns []string

// Match tells whether one of the patterns is the id, or a beginning of it.
func (p Patterns) Match(id string) bool {
	for _, pattern := range p {
		if prefix, open := strings.CutSuffix(pattern, "*"); open && strings.HasPrefix(id, prefix) || pattern == id {
			return true
		}
	}
	return false
}

// AreIDs tells that all are ids, and none a beginning.
func (p Patterns) AreIDs() bool {
	return !slices.ContainsFunc(p, func(pattern string) bool { return strings.HasSuffix(pattern, "*") })
}

// UnmarshalJSON takes an array of strings, with `*` at the end only.
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

// Check tells what is wrong with the patterns.
func (p Patterns) Check() error {
	for _, pattern := range p {
		if i := strings.IndexByte(pattern, '*'); i >= 0 && i < len(pattern)-1 {
			return fmt.Errorf("has %.80q; a * may stand at the end only", pattern)
		}
		if pattern == "" {
			return fmt.Errorf(`has ""; a pattern for everything is "*"`)
		}
	}
	return nil
}
