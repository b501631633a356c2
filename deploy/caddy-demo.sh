#!/bin/sh
# Runs the demo behind Caddy, on loopback, until Ctrl-C. Nothing is left behind.
#
#	deploy/caddy-demo.sh LIVEMAP CADDY
#
# PORT is that of HTTPS, HTTP_PORT that of plain HTTP, which is sent on to it.
set -eu
livemap=$1
caddy=$2
caddyfile=$(dirname "$0")/../Caddyfile
dir=$(mktemp -d)
stop() {
	if pid=$(cat "$dir/pid" 2>/dev/null); then # which Caddy removes when it ends
		kill "$pid" 2>/dev/null || true
		while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
	fi
	rm -rf "$dir"
}
trap stop EXIT
trap : INT TERM HUP # the demo ends by them, and then this

export LIVEMAP_SITE="localhost:${PORT:-8443}" LIVEMAP_HTTP_PORT="${HTTP_PORT:-8081}" LIVEMAP_BIND="127.0.0.1 [::1]"
export LIVEMAP_UPSTREAM="unix/$dir/proxy.sock" CADDY_ADMIN="unix/$dir/admin.sock"
export XDG_DATA_HOME="$dir" XDG_CONFIG_HOME="$dir"
"$caddy" start --config "$caddyfile" --adapter caddyfile --pidfile "$dir/pid" >"$dir/log" 2>&1 || {
	grep -h '"level":"error"' "$dir/log" >&2
	exit 1
}
echo "Open https://$LIVEMAP_SITE/ for the map behind Caddy. Its certificate is made up: the browser warns, and Chrome stays on HTTP/2."
"$livemap" demo --listen off --proxy-listen "unix:$dir/proxy.sock"
