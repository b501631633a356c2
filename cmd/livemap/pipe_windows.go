package main

import "golang.org/x/sys/windows"

// errPipe is the error of writing to a pipe that nobody reads any more.
const errPipe = windows.ERROR_NO_DATA
