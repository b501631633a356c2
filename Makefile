# make demo: a hub with something to see.   make test: every test.

GO      ?= go
# A count, not a duration: when a duration ends, the fuzzing coordinator may call
# its own deadline a failure (go.dev/issue/75804).
FUZZTIME ?= 10000x

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOTESTSUM   = gotest.tools/gotestsum@v1.13.0

.PHONY: build demo test check fuzz tests bench

build: ## the program, as ./livemap
	$(GO) build -o livemap ./cmd/livemap

demo: build ## a hub, a short drive replayed, and what arrives printed until Ctrl-C
	@bash cmd/livemap/testdata/demo.sh

test: check fuzz tests ## everything that CI runs

check: ## formatting, vet, staticcheck, go.mod
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "not formatted: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod tidy -diff

fuzz: ## each fuzz target for FUZZTIME
	@set -e; for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -tags fuzzing -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			$(GO) test -tags fuzzing -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1000x $$package; \
		done; \
	done

# Twice: the race detector changes what is allocated, so tests of that only run
# without it.
tests: ## all tests, without and with the race detector, in random order
	$(GO) run $(GOTESTSUM) --format pkgname -- -shuffle=on -timeout 10m ./...
	$(GO) run $(GOTESTSUM) --format pkgname -- -race -shuffle=on -timeout 15m ./...

bench: ## Go benchmarks of the fan-out core and of parsing
	$(GO) test -run '^$$' -bench . -benchmem ./geo ./stream
