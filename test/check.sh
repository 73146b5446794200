#!/usr/bin/env bash
# Everything that can be said of the source without running it.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '== %s\n' "$1"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

step "gofmt"
unformatted=$(gofmt -l $(git ls-files '*.go' ':!:*/testdata/*'))
[ -z "$unformatted" ] || fail "not formatted (gofmt -w): $unformatted"

step "go vet"
go vet ./...

step "go fix"
diff=$(go fix -diff ./... 2>&1 || true)
[ -z "$diff" ] || { printf '%s\n' "$diff"; fail "go fix has something to modernise: run go fix ./..."; }

step "cross-compile linux/arm64"
GOOS=linux GOARCH=arm64 go build -o /dev/null ./cmd/rouse

step "go mod tidy"
go mod tidy -diff >/dev/null || fail "go.mod or go.sum is not tidy: run go mod tidy"

step "go mod verify"
go mod verify

step "shell scripts"
for f in $(git ls-files '*.sh') .ci/run; do bash -n "$f"; done

step "architecture"
go test -count=1 ./internal/archtest
echo "check: all good"
