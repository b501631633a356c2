package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// demoLog is a slog.Handler for the hub's log. It shows errors alone, in words.
type demoLog struct {
	notice func(format string, args ...any)
}

// Enabled reports whether an entry is an error. Warnings of serve, such as small UDP buffers, do not
// matter in a demo.
func (l demoLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// Handle shows one entry.
func (l demoLog) Handle(_ context.Context, entry slog.Record) error {
	var more []string
	entry.Attrs(func(a slog.Attr) bool {
		more = append(more, fmt.Sprintf("%s %v", a.Key, a.Value))
		return true
	})
	text := "hub: " + entry.Message
	if len(more) > 0 {
		text += " (" + strings.Join(more, ", ") + ")"
	}
	l.notice("%s", text)
	return nil
}

// WithAttrs and WithGroup change nothing: the hub does not use them.
func (l demoLog) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l demoLog) WithGroup(string) slog.Handler      { return l }
