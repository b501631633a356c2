# make demo: a hub with something to see.   make build: the program.   make help: all there is.

GO      ?= go
# A count, not a duration: when a duration ends, the fuzzing coordinator may call
# its own deadline a failure (go.dev/issue/75804).
FUZZTIME ?= 10000x

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0
GOTESTSUM   = gotest.tools/gotestsum@v1.13.0

.PHONY: build install clean help dist demo caddy-demo cluster-demo image docs web browser clients proxies tools test test-short check
.PHONY: formatted lines vet vet-others staticcheck tidy types vulnerabilities fuzz page-tests picture
.PHONY: tests tests-norace tests-race faults soak bench bench-quick bench-page
.NOTPARALLEL: # what one tool prints stands together

# What --version prints. Sources without git have what Go knows.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null)
TIME    := $(shell git log -1 --format=%cI 2>/dev/null)
LDFLAGS  = -X main.gitVersion=$(VERSION) -X main.gitCommit=$(COMMIT) -X main.gitTime=$(TIME)

build: web ## the program, as ./livemap
	$(GO) build -ldflags '$(LDFLAGS)' -o livemap ./cmd/livemap

PREFIX ?= /usr/local

install: livemap ## ./livemap into $(DESTDIR)$(PREFIX)/bin
	install -d '$(DESTDIR)$(PREFIX)/bin'
	install -m 755 livemap '$(DESTDIR)$(PREFIX)/bin/livemap'

livemap: # what is there is not built anew: root, who installs, may have no Go
	$(MAKE) build

# Not what git ignores: that may be a user's keys.
clean: ## removes all that was built or fetched into this folder
	rm -rf livemap bin web/dist/lib web/dist/.stamp web/dist.new web/screenshots web/node_modules \
		web/package/livemap.* cmd/livemap/e2e/testdata/foreign/node_modules

help: ## what make can do here
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1 /p' $(firstword $(MAKEFILE_LIST)) | \
		while read -r target text; do printf '%-16s%s\n' "$$target" "$$text"; done

dist: web ## archives of a release and their checksums, in bin/dist
	GO=$(GO) $(GO) run ./deploy/dist -version '$(VERSION)' -time '$(TIME)' -ldflags '$(LDFLAGS)'

web: web/node_modules/.package-lock.json ## what the page needs from npm, into web/dist
	@node web/build/build.mjs

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	touch $@

demo: build ## a hub, a simulated fleet and the map, until Ctrl-C; flags in ARGS
	./livemap demo $(ARGS)

docs: ## the tables of flags in cmd/livemap/README.md; a test fails when they are stale
	$(GO) test ./cmd/livemap -run '^TestFlagTables$$' -count=1 -update

CADDY_VERSION = v2.11.9
CADDY         = bin/caddy-$(CADDY_VERSION)/caddy

caddy-demo: build $(CADDY) ## the demo behind Caddy, until Ctrl-C
	deploy/caddy-demo.sh ./livemap $(CADDY)

cluster-demo: build ## three hubs, a fleet and Caddy, if it was built; says which process to kill
	deploy/cluster-demo.sh ./livemap $(CADDY)

$(CADDY): # takes minutes, once
	GOBIN=$(CURDIR)/$(@D) $(GO) install github.com/caddyserver/caddy/v2/cmd/caddy@$(CADDY_VERSION)

ENGINE ?= docker

image: ## the container's image, by Docker or by ENGINE=podman
	$(ENGINE) build -f deploy/Dockerfile -t livemap --build-arg VERSION='$(VERSION)' \
		--build-arg COMMIT='$(COMMIT)' --build-arg TIME='$(TIME)' .

H2SPEC_VERSION = v2.2.1+incompatible
H2SPEC         = bin/h2spec-$(H2SPEC_VERSION)/h2spec

$(H2SPEC):
	GOBIN=$(CURDIR)/$(@D) $(GO) install github.com/summerwind/h2spec/cmd/h2spec@$(H2SPEC_VERSION)

# Each leaves its results here, for the summary of make test.
RESULTS = bin/results

test: ## everything that CI runs; a stage that fails hides no later one, and a summary ends it
	@LIVEMAP_RESULTS=$(RESULTS) node .ci/stages.mjs

tools: browser clients # what tests need beside Go and Node

# The page's tests that need no browser, and Go tests but end-to-end ones and those that compute
# or wait for seconds.
test-short: web ## tests for every day, about a minute
	node --test --test-reporter=dot $(shell grep -LE '\.browser\>|browser as|Firefox\.start' web/test/*.test.mjs)
	$(GO) run $(GOTESTSUM) --format pkgname -- -short -timeout 5m $$($(GO) list ./... | grep -v '/e2e$$')

# Prints each line of over 110 characters with its file and number. The locale makes grep count
# characters, not bytes; a tab is one. A comment that is one long word, such as a URL, may be longer.
LONG_LINES = LC_ALL=C.UTF-8 git grep --untracked -nE -e '^.{111,}' --and --not -e '^[[:space:]]*// [^ ]+$$' \
	-- '*.go' '*.js' '*.mjs'

check: web formatted lines vet vet-others staticcheck tidy types ## formatting, length of lines, vet (for other systems too), staticcheck, go.mod, types of the page

formatted:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "not formatted: $$unformatted"; exit 1; }

lines:
	@long=$$($(LONG_LINES)); case $$? in 0) echo "more than 110 characters:"; echo "$$long"; exit 1;; 1) ;; *) exit 1;; esac

vet:
	$(GO) vet ./...
	$(GO) vet -tags faults,soak ./cmd/livemap/e2e ./stream/jetstream

# Systems beside the one it runs on. The tag leaves out the one test that validates by
# openapi.yaml: its library takes minutes to compile.
OTHERS = darwin/amd64 windows/amd64 freebsd/amd64 linux/arm64

vet-others: $(OTHERS:%=vet/%)

vet/%:
	GOFLAGS=-mod=readonly CGO_ENABLED=0 GOOS=$(*D) GOARCH=$(*F) $(GO) vet -tags fuzzing,faults,soak ./...

staticcheck:
	$(GO) run $(STATICCHECK) -tags faults,soak ./...

tidy:
	$(GO) mod tidy -diff

types:
	web/node_modules/.bin/tsc -p web

vulnerabilities: web ## asks Go's vulnerability database about what the program calls
	$(GO) run $(GOVULNCHECK) ./...

# A package is built once for all of its targets, which go test would not do. Those that
# are slow, or of parsers that only their user's own text reaches, get a tenth.
FUZZTIME_TENTH ?= 1000x
TENTH = FuzzWire|FuzzLines|FuzzResume|FuzzIdempotencyKey|FuzzForwardedFor|FuzzKeyFile|FuzzPMTiles|FuzzPageRequest|FuzzFlags|FuzzAddress|FuzzSize|FuzzAddresses|FuzzTail|FuzzProblem|FuzzRestamp|FuzzPublish|FuzzReceiver|FuzzChunkedBody|FuzzPatterns

fuzz: ## each fuzz target for FUZZTIME
	@failed=; for dir in $$(grep -rl --include='*_test.go' --exclude-dir=node_modules '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		$(GO) test -tags fuzzing -fuzz . -c -o bin/fuzz.test $$dir && \
			targets=$$(cd $$dir && $(CURDIR)/bin/fuzz.test -test.list '^Fuzz') || { failed="$$failed $$dir"; continue; }; \
		for target in $$targets; do \
			echo "$$dir $$target"; \
			case $$target in $(TENTH)) time=$(FUZZTIME_TENTH);; *) time=$(FUZZTIME);; esac; \
			(cd $$dir && $(CURDIR)/bin/fuzz.test -test.run '^$$' -test.fuzz "^$$target\$$" -test.fuzztime $$time \
				-test.fuzzminimizetime 1000x -test.fuzzcachedir $(CURDIR)/bin/fuzz/$$target) || failed="$$failed $$target"; \
		done; \
	done; test -z "$$failed" || { echo "fuzzing failed:$$failed"; exit 1; }

CHROMIUM = command -v chromium || command -v chromium-browser || command -v google-chrome

browser: ## a Chromium for the page's tests, installed where that can be done
	@{ $(CHROMIUM); } >/dev/null || { \
		command -v apt-get >/dev/null && test "$$(id -u)" = 0 || { \
			echo "The page's tests need a browser: install Chromium (Debian's package chromium, and fonts-dejavu-core)."; exit 1; }; \
		apt-get update && apt-get install -y --no-install-recommends chromium fonts-dejavu-core; }

FIREFOX = command -v firefox-esr || command -v firefox

# A test whose client is missing is skipped, but not on CI.
clients: ## what reads streams in tests: Firefox, Python, PHP with curl, installed where that can be done
	@{ { $(FIREFOX); } && command -v python3 && php -m | grep -x curl; } >/dev/null 2>&1 || { \
		command -v apt-get >/dev/null && test "$$(id -u)" = 0 || { \
			echo "Tests are skipped that need Firefox, Python, or PHP with curl, where one is missing."; exit 0; }; \
		apt-get update && apt-get install -y --no-install-recommends firefox-esr python3 php-cli php-curl; }

# Those in Firefox are skipped without it, but not on CI, where make tools comes first.
page-tests: build browser ## tests of the page, some of them in browsers
	@test -n "$(wildcard web/test/*.test.mjs)" || { echo "web/test has no tests"; exit 1; }
	@mkdir -p $(RESULTS)
	node --test --test-concurrency=3 --test-reporter=spec --test-reporter-destination=stdout \
		--test-reporter=./.ci/reporter.mjs --test-reporter-destination=$(RESULTS)/$@.json $(wildcard web/test/*.test.mjs)

picture: build browser ## the pictures of the map in the READMEs, drawn anew
	node web/test/picture.mjs

# Allocations differ under the race detector, and some tests compute or start processes, which takes
# several times as long with it: those are in *_norace_test.go, which norace_test.go holds.
NORACE          = $(shell grep -rl --include='*_norace_test.go' --exclude-dir=node_modules '^func Test' . | sort)
NORACE_TESTS    = $(shell sed -n 's/^func \(Test[A-Za-z0-9]*\).*/\1/p' $(NORACE) | sort -u | paste -sd '|')
NORACE_PACKAGES = $(sort $(dir $(NORACE)))

# Many tests wait rather than compute, so more packages and tests run at a time than there are processors.
tests: tests-norace tests-race ## all Go tests once, with the race detector or without, in random order

tests-norace: web
	@mkdir -p $(RESULTS)
	$(GO) run $(GOTESTSUM) --format pkgname --jsonfile $(RESULTS)/$@.json -- \
		-shuffle=on -p 4 -parallel 8 -timeout 15m -run '^($(NORACE_TESTS))$$' $(NORACE_PACKAGES)

tests-race: web
	@mkdir -p $(RESULTS)
	$(GO) run $(GOTESTSUM) --format pkgname --jsonfile $(RESULTS)/$@.json -- \
		-race -shuffle=on -p 4 -parallel 8 -timeout 20m ./...

PROXIES = nginx haproxy apache2 lighttpd

# A test of one that is missing is skipped, but not on CI.
proxies: ## nginx, HAProxy, Apache, lighttpd and WebKitGTK for faults, installed where that can be done
	@set --; for p in $(PROXIES) WebKitWebDriver Xvfb; do command -v $$p >/dev/null || set -- "$$@" $$p; done; test $$# = 0 || { \
		command -v apt-get >/dev/null && test "$$(id -u)" = 0 || { \
			echo "Their tests are skipped, since they are not installed: $$*"; exit 0; }; \
		apt-get update && apt-get install -y --no-install-recommends \
			nginx-light haproxy apache2-bin lighttpd lighttpd-mod-openssl webkit2gtk-driver xvfb; }

# Needs root, iproute2 and util-linux; what is missing is told. RELIABILITY.md says what they do.
faults: build browser clients proxies $(CADDY) $(H2SPEC) ## the faults that take long, about a quarter of an hour
	LIVEMAP_CADDY=$(CURDIR)/$(CADDY) LIVEMAP_H2SPEC=$(CURDIR)/$(H2SPEC) $(GO) run $(GOTESTSUM) --format standard-verbose -- -tags faults -run '^TestFault' -count=1 -timeout 40m ./cmd/livemap/e2e ./stream/jetstream
	LIVEMAP_CADDY=$(CURDIR)/$(CADDY) node --test --test-reporter=spec $(wildcard web/test/faults/*.test.mjs)

soak: $(CADDY) ## 500 streams for LIVEMAP_SOAK, half an hour by default, with Caddy in front of half of them
	LIVEMAP_CADDY="$${LIVEMAP_CADDY:-$(CURDIR)/$(CADDY)}" $(GO) test -tags soak -run '^TestSoak$$' -count=1 -timeout 0 -v ./cmd/livemap/e2e

# Both exit with 1 if a delivery was missing, came twice or out of order; not for a goal
# that was missed.
bench: bin/livemap ## Go benchmarks and every scenario of livemap bench, about 15 minutes; results in bin/bench
	$(GO) test -run '^$$' -bench . -benchmem ./geo ./stream
	bin/livemap bench --out bin/bench

bench-quick: bin/livemap ## the quick scenarios, under two minutes
	bin/livemap bench --quick

bench-page: build browser ## how fluid the page is, and how long a position takes to the screen; two minutes
	node web/test/fluid.mjs
	node web/test/pixel.mjs

# Without the map's libraries, so without npm.
.PHONY: bin/livemap
bin/livemap:
	$(GO) build -ldflags '$(LDFLAGS)' -o $@ ./cmd/livemap
