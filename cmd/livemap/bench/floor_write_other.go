//go:build !linux

package bench

func listenWrite(int, bool) (writers, error) { return nil, errLinux }
