package main

import (
	"io"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// asProgram makes the test binary run as the program, for tests that kill a process.
const asProgram = "LIVEMAP_TEST_AS_PROGRAM"

// alone is the value of asProgram for a program that a shell starts: it leaves standard input alone.
const alone = "alone"

// TestMain fails on goroutines that a test left behind.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		if os.Getenv(asProgram) != alone {
			go func() { // standard input ends when the test is no more
				io.Copy(io.Discard, os.Stdin)
				os.Exit(3)
			}()
		}
		main()
	}
	goleak.VerifyTestMain(m)
}
