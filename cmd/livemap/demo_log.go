package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// demoLog is the hub's log (a slog.Handler), of which people get to see errors, in
// words.
type demoLog struct {
	notice func(format string, args ...any)
}

// Enabled leaves out all but errors: what serve warns of, such as small UDP
// buffers, matters to nobody who tries a demo.
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

// WithAttrs and WithGroup are not used by the hub.
func (l demoLog) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l demoLog) WithGroup(string) slog.Handler      { return l }
