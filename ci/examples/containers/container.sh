#!/bin/sh
# Runs a broker in a container: the `command` of a profile.
#
#   container.sh DIR PORT INNER [OPTION...] IMAGE
#
# DIR is the instance's `$dir`: its name is the container's. PORT on the loopback interface leads to INNER in the
# container. The options are those of `docker create`. CONTAINER_ENGINE=podman takes Podman in place of Docker.
#
# For a case that restarts or kills its broker:
# - a restart is SIGTERM here, `docker stop` there, and then `docker start` of the same container, so its file system,
#   and with it the broker's state, survives;
# - a kill is SIGKILL here, and `docker kill` there before the next start, or a second later;
# - the container is removed once DIR is gone, or if it is not started again within ten seconds.
set -u
[ $# -gt 3 ] || { echo "container.sh DIR PORT INNER [OPTION...] IMAGE" >&2; exit 2; }
engine=${CONTAINER_ENGINE:-docker}
command -v "$engine" >/dev/null || { echo "no $engine on this machine" >&2; exit 127; }
dir=$1 name=$(basename "$1") port=$2 inner=$3
shift 3

if "$engine" inspect "$name" >/dev/null 2>&1; then
    # After a kill it may still be running.
    "$engine" kill "$name" >/dev/null 2>&1
else
    "$engine" create --name "$name" --label mqttspec --publish "127.0.0.1:$port:$inner" "$@" >/dev/null || exit 126
fi

# It has a session of its own, so that it outlives this script, and ends what this script was running for.
echo $$ >"$dir/container.pid"
# shellcheck disable=SC2016 # the inner shell expands its own variables
setsid sh -c '
    while kill -0 "$4"; do sleep 1; done
    [ "$(cat "$3/container.pid")" = "$4" ] && "$1" kill "$2"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -d "$3" ] || break
        [ "$(cat "$3/container.pid")" = "$4" ] || exit
        sleep 1
    done
    "$1" rm --force --volumes "$2"
' guard "$engine" "$name" "$dir" $$ >/dev/null 2>&1 </dev/null &

"$engine" start --attach "$name" &
client=$!
trap '"$engine" stop --time 20 "$name" >/dev/null 2>&1' TERM INT
wait $client
# A signal ends the first wait; the second is for the end of the broker.
wait $client
