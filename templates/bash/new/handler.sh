#!/bin/bash
# Runs once for each request: the body is standard input, what is printed is
# the response. Http_Method, Http_Path, Http_Query and the headers
# (Http_Content_Type, ...) are in the environment.
set -euo pipefail

name=$(cat)
echo "greeting ${name:-world}" >&2 # standard error goes to the log
echo "Hello, ${name:-world}!"
