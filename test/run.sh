#!/usr/bin/env bash
# run.sh ROUSE DATA LISTEN: starts a server, deploys the examples, prints how
# to call them and stays until it is interrupted.
set -euo pipefail
cd "$(dirname "$0")/.."
rouse=$1 data=$2 listen=$3
export ROUSE_DATA=$data ROUSE_URL=http://$listen

"$rouse" up --listen "$listen" --data "$data" &
server=$!
stop() { kill -TERM "$server" 2>/dev/null || true; wait "$server" || true; }
trap stop EXIT
trap 'exit 0' INT TERM

for _ in $(seq 100); do
	curl -fsS -o /dev/null "$ROUSE_URL/healthz" 2>/dev/null && break
	kill -0 "$server" 2>/dev/null || { echo "run: the server did not start" >&2; exit 1; }
	sleep 0.1
done
"$rouse" deploy -f examples/rouse.yaml
cat <<TOUR

ready: six functions, all asleep until they are called

  curl -d 10 $ROUSE_URL/function/fib                                     # Go
  curl --data-binary @README.md $ROUSE_URL/function/markdown             # Node, with an npm package
  curl --data-binary @examples/thumbnail/input.png -o small.png $ROUSE_URL/function/thumbnail
  curl --data-binary @LICENSE $ROUSE_URL/function/wordcount              # Bash, one process a request
  curl -N $ROUSE_URL/function/clock                                      # Python, server-sent events
  curl --data-binary @examples/csv2json/input.csv $ROUSE_URL/function/csv2json

  ROUSE_DATA=$data $rouse list        # what there is; try logs, describe, dev, doctor
  Ctrl-C stops the server.
TOUR
wait "$server"
