#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME each.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${FUZZTIME:-20s}
count=0
while read -r file; do
	dir=$(dirname "$file")
	for target in $(grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$file" | sed 's/^func //'); do
		printf '== %s %s (%s)\n' "$dir" "$target" "$time"
		go test -run '^$' -fuzz "^${target}\$" -fuzztime "$time" -fuzzminimizetime 20x "./$dir"
		count=$((count + 1))
	done
done < <(git grep -lE '^func Fuzz' -- '*_test.go')
printf 'fuzz: %d targets, nothing found\n' "$count"
