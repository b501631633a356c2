package jetstream

import (
	"fmt"
	"log/slog"
	"sync"
)

// serverLog is the log of the server. Its notices tell every detail of a start, so they are for debugging.
type serverLog struct {
	log   *slog.Logger
	mu    sync.Mutex
	first error // the first fatal error
}

func (l *serverLog) Noticef(text string, v ...any) { l.log.Debug(line(text, v)) }
func (l *serverLog) Debugf(text string, v ...any)  { l.log.Debug(line(text, v)) }
func (l *serverLog) Tracef(string, ...any)         {} // would have every message
func (l *serverLog) Warnf(text string, v ...any)   { l.log.Warn(line(text, v)) }
func (l *serverLog) Errorf(text string, v ...any)  { l.log.Error(line(text, v)) }

// Fatalf keeps the error for the one who starts the server, and ends nothing.
func (l *serverLog) Fatalf(text string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.first = fmt.Errorf(text, v...)
	}
}

func (l *serverLog) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}

func line(text string, v []any) string { return "journal: " + fmt.Sprintf(text, v...) }
