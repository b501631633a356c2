package server

import (
	"sync"
	"time"
)

// every does something at that interval until stop is called, which waits for what
// is being done.
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
