#!/bin/bash
# The SHA sum of the body. The query chooses 1, 224, 256 (as it is), 384 or 512.
set -euo pipefail
bits=${Http_Query:-256}
case $bits in
    1 | 224 | 256 | 384 | 512) "sha${bits}sum" | cut -d ' ' -f 1 ;;
    *) echo "no such sum: ?1, ?224, ?256, ?384 or ?512" ;;
esac
