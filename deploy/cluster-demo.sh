#!/bin/sh
# Runs three hubs of one journal, a simulated fleet and Caddy in front, on loopback, until Ctrl-C. Says which
# process to kill. A hub that was killed is started again after PAUSE seconds. Nothing is left behind.
#
#	deploy/cluster-demo.sh LIVEMAP [CADDY]
#
# PORT is Caddy's of HTTPS, HTTP_PORT that of plain HTTP, which is sent on to it. Hubs are on 127.0.0.1, .2 and
# .3, which needs Linux, and there at HUB_PORT and the two ports above it.
set -eu
livemap=$1
caddy=${2:-}
caddyfile=$(dirname "$0")/../Caddyfile
proxy=${HUB_PORT:-9803}
internal=$((proxy + 1))
cluster=$((proxy + 2))
dir=$(mktemp -d)
loops=
stop() {
	trap '' INT TERM HUP
	kill $loops 2>/dev/null || true # first, so that they start nothing again
	all=$(cat "$dir"/*.pid 2>/dev/null)
	kill -CONT $all 2>/dev/null || true # one may have been stopped
	kill $all 2>/dev/null || true
	for pid in $all; do
		while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
	done
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 0' INT TERM HUP

# A hub, again and again.
hub() {
	while :; do
		"$livemap" serve --anonymous --listen off --proxy-listen "127.0.0.$1:$proxy" \
			--publish-listen "127.0.0.$1:$internal" --cluster-listen "127.0.0.$1:$cluster" \
			--cluster-peers "127.0.0.1:$cluster,127.0.0.2:$cluster,127.0.0.3:$cluster" --node-name "hub-$1" \
			--drain 1s --state-dir "$dir/hub-$1" --log-format text >>"$dir/hub-$1.log" 2>&1 &
		echo $! >"$dir/hub-$1.pid"
		[ ! -e "$dir/begun" ] || echo "hub-$1 is process $!"
		wait $! || true
		echo "hub-$1 has ended, and is started again in ${PAUSE:-5} s"
		[ -e "$dir/begun" ] || tail -n 1 "$dir/hub-$1.log" >&2
		sleep "${PAUSE:-5}"
	done
}

for n in 1 2 3; do
	hub $n &
	loops="$loops $!"
done
for n in 1 2 3; do
	until "$livemap" health --timeout 60s --to "http://127.0.0.$n:$internal" >/dev/null 2>&1; do sleep 0.2; done
done
touch "$dir/begun"

to="http://127.0.0.1:$internal,http://127.0.0.2:$internal,http://127.0.0.3:$internal"
"$livemap" simulate --keep --vehicles "${VEHICLES:-250}" --to "$to" >"$dir/simulate.log" 2>&1 &
fleet=$!
echo $fleet >"$dir/simulate.pid"

if [ -x "$caddy" ]; then
	export LIVEMAP_SITE="localhost:${PORT:-8443}" LIVEMAP_HTTP_PORT="${HTTP_PORT:-8081}" LIVEMAP_BIND="127.0.0.1 [::1]"
	export LIVEMAP_HUBS=several LIVEMAP_HEALTH_PORT="$internal"
	export LIVEMAP_UPSTREAM="127.0.0.1:$proxy 127.0.0.2:$proxy 127.0.0.3:$proxy"
	export CADDY_ADMIN="unix/$dir/admin.sock" XDG_DATA_HOME="$dir" XDG_CONFIG_HOME="$dir"
	"$caddy" start --config "$caddyfile" --adapter caddyfile --pidfile "$dir/caddy.pid" >"$dir/caddy.log" 2>&1 || {
		grep -h '"level":"error"' "$dir/caddy.log" >&2
		exit 1
	}
	echo "Open https://$LIVEMAP_SITE/ for the map. Its certificate is made up: the browser warns."
else
	echo "There is no Caddy here (make $caddy builds it). Open http://127.0.0.1:$proxy/ for the map of hub-1: it stops with hub-1."
fi
cat <<END
Three hubs have one journal:
  hub-1 is process $(cat "$dir/hub-1.pid"), http://127.0.0.1:$proxy/
  hub-2 is process $(cat "$dir/hub-2.pid"), http://127.0.0.2:$proxy/
  hub-3 is process $(cat "$dir/hub-3.pid"), http://127.0.0.3:$proxy/
Kill one to see nothing happen: kill -9 $(cat "$dir/hub-2.pid")
Kill two to see the map say that it is frozen: kill -9 $(cat "$dir/hub-2.pid") $(cat "$dir/hub-3.pid")
Logs are in $dir. Ctrl-C ends all.
END
wait $fleet
