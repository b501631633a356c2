#!/usr/bin/env bash
# Starts a hub on loopback, replays a short drive into it, and prints what
# arrives over HTTP/3 until it is interrupted. Run it with make demo.
set -euo pipefail

public=${DEMO_PUBLIC:-localhost:4433}
publish=${DEMO_PUBLISH:-127.0.0.1:9801}
export LIVEMAP_TO=http://$publish

state=$(mktemp -d)
end() {
	trap - EXIT
	kill $(jobs -p) 2>/dev/null || true
	wait
	rm -rf "$state"
}
trap end EXIT
trap 'exit 0' INT TERM

./livemap serve --anonymous --listen "$public" --publish-listen "$publish" --state-dir "$state" --drain 0s 2>"$state/log" &
hub=$!
until ./livemap health >"$state/health" 2>&1; do
	kill -0 $hub 2>/dev/null || { cat "$state/log"; exit 1; }
	sleep 0.1
done
echo "The hub is at https://$public (its certificate is self-signed) and, for publishers, at http://$publish."
./livemap replay --restamp cmd/livemap/testdata/drive.ndjson >"$state/replay" 2>&1 &
./livemap tail --cacert "$state/localhost.pem" "$@" "https://$public" &
wait $!
