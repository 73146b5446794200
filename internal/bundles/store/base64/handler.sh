#!/bin/bash
# Encodes the body; the query chooses decode, hex or unhex instead.
set -euo pipefail
case ${Http_Query:-encode} in
    encode) base64 -w 0; echo ;;
    decode) base64 -d -i ;;
    hex) od -A n -v -t x1 | tr -d ' \n'; echo ;;
    unhex) tr -d ' \n\r\t' | tr a-f A-F | basenc --base16 -d ;;
    *) echo "no such form: ?encode, ?decode, ?hex or ?unhex" ;;
esac
