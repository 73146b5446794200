#!/bin/bash
# Prints the environment, the request's variables among it, in the order of
# their names.
set -euo pipefail
cat > /dev/null
env | sort
