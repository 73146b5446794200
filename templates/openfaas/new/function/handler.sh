#!/bin/bash
# The body is standard input, what is printed is the response.
set -euo pipefail

name=$(cat)
echo "Hello, ${name:-world}!"
