#!/bin/bash
# Counts lines, words, characters and bytes of the body.
set -euo pipefail
export LC_ALL=C.UTF-8
read -r lines words chars bytes < <(wc -lwmc)
printf '{"lines": %d, "words": %d, "characters": %d, "bytes": %d}\n' "$lines" "$words" "$chars" "$bytes"
