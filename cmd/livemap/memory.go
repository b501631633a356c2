package main

import (
	"os"
	"runtime/debug"
)

// gcPercent is by how much the heap may grow before the garbage collector runs.
// Most of the hub's heap is the log and the vehicles, which stay: at Go's 100 they
// would take their size again in memory that is mostly empty. The price is twice
// as many collections, which come only while positions come in densely.
const gcPercent = 50

// limitMemory sets gcPercent, unless GOGC says otherwise. A GOMEMLIMIT holds
// beside it.
func limitMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
