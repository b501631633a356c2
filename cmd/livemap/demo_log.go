package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// demoLog is the hub's log, of which people get to see what is not as it should be.
type demoLog struct {
	notice func(format string, args ...any)
	ready  chan map[string]string // gets the addresses once the hub is ready
}

// Write takes one line, as slog writes them.
func (l *demoLog) Write(line []byte) (int, error) {
	var entry map[string]any
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if decoder.Decode(&entry) != nil {
		l.notice("%s", strings.TrimRight(string(line), "\n"))
		return len(line), nil
	}
	message, level := fmt.Sprint(entry["msg"]), entry["level"]
	for _, name := range []string{"msg", "level", "time"} {
		delete(entry, name)
	}
	switch {
	case level == "WARN" || level == "ERROR":
		l.notice("hub: %s%s", message, attributes(entry))
	case message == "the hub is ready":
		addresses := map[string]string{}
		for name, value := range entry {
			addresses[name] = fmt.Sprint(value)
		}
		l.ready <- addresses
	}
	return len(line), nil
}

// attributes words the attributes of a line.
func attributes(entry map[string]any) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(entry)) {
		words = append(words, fmt.Sprintf("%s %v", name, entry[name]))
	}
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}
