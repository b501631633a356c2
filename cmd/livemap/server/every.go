package server

import (
	"sync"
	"time"
)

// every calls do at an interval until stop is called. stop waits for the call under way.
func every(interval time.Duration, do func()) (stop func()) {
	ticker, quit := time.NewTicker(interval), make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				do()
			}
		}
	})
	return func() {
		close(quit)
		running.Wait()
	}
}
