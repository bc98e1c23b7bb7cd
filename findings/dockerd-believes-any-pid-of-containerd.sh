#!/usr/bin/env bash
# A dockerd that was killed does not start again if another process has the id in its file containerd.pid, or if
# its containerd is a zombie: it takes whatever has that id for a running containerd, waits for it in vain, and
# gives up after 15 s. Its own pid file it ignores in the same case. Whoever starts it has to remove the file.
# Zombies are common in containers, where process 1 may reap nobody.
#
# Seen with dockerd 28.2.2 and containerd 1.6.20, started by dockerd itself. Needs root, unshare and dockerd.
#   libcontainerd: containerd is still running
#   failed to start containerd: timeout waiting for containerd to start
set -euo pipefail

directory=$(mktemp -d)
sleep 600 &
other=$!
trap 'kill "$other"; rm -rf "$directory"' EXIT

start() {
  timeout 60 unshare --net --mount dockerd --data-root="$directory/data" --exec-root="$directory/exec" \
    --pidfile="$directory/pid" --host="unix://$directory/socket" --bridge=none --iptables=false \
    >"$directory/log" 2>&1 &
}

mkdir -p "$directory/exec/containerd"
printf %s "$other" >"$directory/exec/containerd/containerd.pid"
start
wait "$!" && exit 1
grep -o 'libcontainerd: containerd is still running' "$directory/log"
grep -o 'failed to start containerd: timeout waiting for containerd to start' "$directory/log"

rm "$directory/exec/containerd/containerd.pid"
start
until grep -q 'API listen on' "$directory/log"; do
  kill -0 "$!"
  sleep 0.2
done
kill "$!"
wait "$!" || true
echo "as described"
