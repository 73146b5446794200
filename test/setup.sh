#!/usr/bin/env bash
# Installs the Debian packages that builds, examples and tests need and that
# are missing. Says what it installs; does nothing if nothing is missing; as
# an ordinary user it only says what is missing, and the tests that need it
# skip with that reason.
set -euo pipefail

# program or file → package
wanted=(
	/usr/bin/python3=python3
	/usr/share/python-wheels=python3-venv
	/usr/bin/pip3=python3-pip
	/usr/bin/ruby=ruby
	/usr/bin/bundle=ruby-bundler
	/usr/bin/gcc=gcc
	/usr/bin/curl=curl
	/usr/bin/wrk=wrk
	/usr/sbin/nginx=nginx-light
	/etc/ssl/certs/ca-certificates.crt=ca-certificates
)

missing=()
for pair in "${wanted[@]}"; do
	[ -e "${pair%%=*}" ] || missing+=("${pair##*=}")
done
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)

if [ ${#missing[@]} -gt 0 ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		printf 'setup: missing (install them yourself, some tests and examples need them): %s\n' "${missing[*]}" >&2
	else
		printf 'setup: installing Debian packages: %s\n' "${missing[*]}"
		export DEBIAN_FRONTEND=noninteractive
		apt-get -qq update >/dev/null
		apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
	fi
fi
command -v go >/dev/null || { echo 'setup: Go 1.26 is needed: install it and put it on PATH' >&2; exit 1; }
