# Rouse. "make" alone prints what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
export CGO_ENABLED ?= 0
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GO ?= go
FUZZTIME ?= 20s
DATA ?= .data
LISTEN ?= 127.0.0.1:8080

.DEFAULT_GOAL := help
.PHONY: help
help: ## print this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## install the Debian packages that builds, examples and tests need (as root; says what it does)
	@test/setup.sh

.PHONY: build
build: ## build bin/rouse
	$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/rouse ./cmd/rouse

.PHONY: run
run: setup build ## start Rouse, deploy the six examples, print how to call them
	@test/run.sh bin/rouse '$(DATA)' '$(LISTEN)'

.PHONY: test
test: setup ## unit, conformance and power-cut tests, race detector on, then the whole program
	CGO_ENABLED=1 $(GO) test -race -shuffle=on -timeout 20m $$($(GO) list ./... | grep -v /test/)
	$(MAKE) --no-print-directory e2e

.PHONY: e2e
e2e: setup build ## the real binary on the real kernel: bursts, load, crashes, escapes (LONG=1: longer runs)
	ROUSE_BIN=$(CURDIR)/bin/rouse ROUSE_ASYNC_CALLS=$(if $(LONG),100000,10000) $(GO) test -count=1 -timeout 30m -v ./test/e2e

.PHONY: check
check: ## format, vet, fix, architecture, module files
	@test/check.sh

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (default 20s)
	@FUZZTIME=$(FUZZTIME) test/fuzz.sh

.PHONY: bench
bench: setup build ## measure against the bare function, nginx and bare interpreters, in one run
	$(GO) run ./test/bench -rouse bin/rouse

.PHONY: clean
clean: ## remove what build and run made
	rm -rf bin '$(DATA)'
