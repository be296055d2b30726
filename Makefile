# make help lists the targets. Everything works from a fresh clone; tools go to .cache/, at the versions that scripts/tools.sh pins.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 30s
SEEDS    ?= 10000
PKG      ?= ./...
OLD      ?= HEAD~1

WITH := .cache/bin/with

.PHONY: help run build test unit lint check ci release manifests gen fuzz bench e2e day switches alerts overload chaos simulate browser hang rolling rotate upgrade stats clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: ## everything in one process, with a web page to chat in; needs Go alone
	@go build -o .cache/bin/parley ./cmd/parley # not go run, which fails whenever Ctrl-C ends what it runs
	@exec .cache/bin/parley dev $(ARGS)

build: ## bin/parley, with its version
	go build -trimpath -ldflags '-X main.stamped=$(VERSION)' -o bin/parley ./cmd/parley

test: $(WITH) ## all tests under the race detector, with a real Redis and a real Nacos of their own (PKG=./internal/rpc/... for some)
	$(WITH) scripts/test $(PKG)

unit: ## the tests that need no server besides redis-server
	scripts/test $(PKG)

lint: ## golangci-lint
	scripts/check lint

check: ## all that is checked besides tests: format, vet, lint, generated code, go.mod, shell scripts
	scripts/check

ci: ## check, then test; all faults of both
	.ci/run

release: ## bin/release: binaries for two systems, bills of their materials, the chart, SHA256SUMS (VERSION=v1.2.0)
	scripts/release $(VERSION)

manifests: ## render deploy/kubernetes/ anew from the chart in deploy/helm/
	scripts/manifests

gen: ## generate api/ anew from its .proto files
	scripts/gen

fuzz: ## run every fuzz target for FUZZTIME (30s)
	scripts/fuzz $(FUZZTIME)

bench: $(WITH) ## what it costs, as one table with goals: messages, callbacks, the API, turns in flight (docs/performance.md; ARGS="-only messages")
	$(WITH) go run ./test/bench $(ARGS)

e2e: build $(WITH) ## whole programs over a real Redis and a real Nacos, with kill -9, and a ledger at the end
	$(WITH) go run ./test/e2e $(ARGS)

switches: ## the operator's switch under load, a provider's outage, key limits over the fleet; starts a Nacos of its own, and kills it
	go run ./test/degrade $(ARGS)

alerts: $(WITH) ## everything fails, and a real Prometheus with the project's rules says so and stops saying so; ten minutes
	$(WITH) go test -timeout 20m -count 1 -v -run AlertsFire ./test/observability -slow $(ARGS)

overload: ## more than can be answered: goodput, fairness, a morning's burst, limits over replicas, acknowledgements (ARGS=-h)
	go run ./test/overload $(ARGS)

day: build $(WITH) ## an operator's day under load: more servers, an outage, the switch in the console, upgrade, rotation, Redis restarted, fewer servers (ARGS=-h)
	scripts/browser
	$(WITH) go run ./test/day $(ARGS)

chaos: ## kill, stop, cut and slow every part at random while people talk, and compare the ledgers; starts all that it needs (ARGS=-h)
	go run ./test/chaos $(ARGS)

rolling: ## restart every process in good order, in turn, under load: nothing fails (ARGS="-for 10m")
	go run ./test/chaos -rolling $(ARGS)

rotate: ## change every password, certificate and secret under load: nothing fails; starts all that it needs (ARGS=-h)
	go run ./test/rotate $(ARGS)

upgrade: ## the binary of OLD (HEAD~1) and this one share everything while they are struck, upgraded and rolled back (ARGS="-for 10m")
	go run ./test/chaos -old $(OLD) $(ARGS)

simulate: ## SEEDS (10000) seeds of the turns in simulated time, and planted faults; one seed: go test ./test/simulate -run TestOne -v -seed N
	go test -timeout 30m -count 1 -run 'TestSeeds|TestPlanted' -v ./test/simulate -seeds $(SEEDS) $(ARGS)

hang: $(WITH) ## every outside party hangs: models, a server, Redis, Nacos (3 minutes), WeCom; 10,000 turns that hang, and what is left of them; 20 minutes
	$(WITH) go test -timeout 60m -count 1 -v ./test/hang -hangs 10000 -hang-for 3m $(ARGS)

browser: build ## the chat page and the dev page in a real browser (Debian's chromium, Node), with pictures in test/browser/shots
	scripts/browser
	cd test/browser && node run.mjs $(ARGS)

stats: ## sizes of the code: files, medians, tests per line
	@scripts/stats

clean: ## remove what make built
	rm -rf bin .cache .tmp

.PHONY: $(WITH)
$(WITH):
	@go build -o $@ ./test/realdeps/with
