//go:build unix

package main

import "syscall"

// errPipe is the error of writing to a pipe that nobody reads any more.
const errPipe = syscall.EPIPE
