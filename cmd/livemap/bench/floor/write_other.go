//go:build !linux

package floor

import "livemap/cmd/livemap/bench/process"

func listenWrite(int, bool) (writers, error) { return nil, process.ErrLinux }
