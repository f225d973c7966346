#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# demo.sh - watch a 9P client read from a real 9P server once, and from its cache from then on: by
# commands, and as a filesystem that is mounted (where there is /dev/fuse).
#
#   sh examples/demo.sh
#
# On Debian 12, as root or as someone who may use sudo. Installs what it needs, builds into
# build/demo, works in a temporary folder and removes it. Bytes from the server are counted by a
# proxy between client and server, not by the client. Status 0 only if every byte was right and the
# warm passes fetched none.

set -u
cd "$(dirname "$0")/.." || exit 1
source=$PWD
build=${FSC_BUILD:-$source/build}/demo
export LC_ALL=C

small_files=3000
big_mib=256
clock_slack=2

say() { printf '\n=== %s\n' "$*"; }
die() {
	printf 'demo.sh: %s\n' "$*" >&2
	exit 1
}
as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# --- Install and build -----------------------------------------------------------------------

install_packages() {
	missing=
	for package in build-essential meson ninja-build pkg-config liburing-dev libjson-c-dev libmd-dev \
		libfuse3-dev fuse3 libnfs-dev libcmocka-dev diod python3; do
		status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)
		[ "$status" = installed ] || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	say "installing$missing"
	# shellcheck disable=SC2086 # words
	as_root env DEBIAN_FRONTEND=noninteractive sh -c '
		apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null
	' sh $missing || die "these packages could not be installed:$missing"
}

build() {
	say "building"
	[ -f "$build/build.ninja" ] || meson setup --buildtype=release "$build" "$source" >/dev/null ||
		die "meson failed; try: meson setup $build"
	ninja -C "$build" examples/9p/fsc9p tests/9p/counting-proxy | tail -n 1 || exit 1
	[ -x "$build/examples/9p/fsc9p" ] || die "the build failed; try: ninja -C $build"
}

# --- Server, proxy and client ------------------------------------------------------------------

cleanup() {
	trap - EXIT INT TERM HUP
	is_mounted && fusermount3 -u -z "$dir/mnt"
	for pid in $client_pid $proxy_pid $server_pid; do
		kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	rm -rf "$dir"
}

wait_for() { # COMMAND...: until it succeeds, a minute at most
	tries=0
	until "$@" 2>/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -lt 1200 ] || return 1
		sleep 0.05
	done
}

free_port() {
	python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

start_server() {
	port=$(free_port)
	# diod ends on the SIGPIPE that a killed client causes, unless told to ignore it
	(
		trap '' PIPE
		exec diod -f -n -l "127.0.0.1:$port" -e "$dir/export" -L "$dir/diod.log"
	) &
	server_pid=$!
	wait_for python3 -c "import socket; socket.create_connection(('127.0.0.1', $port)).close()" ||
		die "diod did not start: $(tail -n 3 "$dir/diod.log")"
}

start_proxy() {
	rm -f "$dir/count.json"
	"$build/tests/9p/counting-proxy" --listen "unix:$dir/sock" --connect "tcp:127.0.0.1:$port" \
		--report "$dir/count.json" >/dev/null &
	proxy_pid=$!
	wait_for test -S "$dir/sock" || die "the counting proxy did not start"
}

# What the proxy counted since it was started; it is started anew for each pass.
stop_proxy() {
	kill "$proxy_pid"
	wait "$proxy_pid" 2>/dev/null
	proxy_pid=
	rm -f "$dir/sock"
}

json() { # FILE FIELD
	python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"
}

fsc9p() { # [exec] ARGUMENT...
	run=
	[ "$1" = exec ] && run=exec && shift
	$run "$build/examples/9p/fsc9p" --server "unix:$dir/sock" --aname "$dir/export" \
		--volume-dev demo --cache "$dir/cache" --clock-slack "$clock_slack" "$@"
}

# --- The tree ------------------------------------------------------------------------------------

make_tree() {
	say "making $small_files small files and one of $big_mib MiB"
	python3 - "$dir/export" "$small_files" "$big_mib" <<'END'
import os, random, sys
top, files, mib = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
chance = random.Random(9)
for i in range(files):
    folder = os.path.join(top, "small", "%02d" % (i % 50))
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "file-%04d" % i), "wb") as f:
        f.write(chance.randbytes(chance.choice((0, 1, 700, 4096, 5000, 16384, 40000))))
with open(os.path.join(top, "big"), "wb") as f:
    for i in range(mib):
        f.write(chance.randbytes(1 << 20))
END
	sleep $((clock_slack + 1)) # older than the slack: see the README on files changed just now
}

change_tree() {
	say "changing 100 small files and one MiB of the big one, all to the same size"
	python3 - "$dir/export" <<'END'
import os, random, sys
top = sys.argv[1]
chance = random.Random(10)
for i in range(0, 1000, 10):
    path = os.path.join(top, "small", "%02d" % (i % 50), "file-%04d" % i)
    with open(path, "r+b") as f:
        f.write(chance.randbytes(os.path.getsize(path)))
with open(os.path.join(top, "big"), "r+b") as f:
    f.seek(100 << 20)
    f.write(chance.randbytes(1 << 20))
END
	sleep $((clock_slack + 1))
}

# --- Passes ----------------------------------------------------------------------------------------

failures=0

fail() {
	printf 'FAILED: %s\n' "$*"
	failures=$((failures + 1))
}

sums() { # FOLDER
	(cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
}

# How many files' sums, in $dir/have, were right; every one must be.
verify() {
	sums "$dir/export" >"$dir/want"
	files=$(grep -Fxc -f "$dir/want" "$dir/have")
	cmp -s "$dir/want" "$dir/have" || fail "$1: what was delivered differs from what the server has"
}

began() {
	rm -rf "$dir/got" "$dir/stats.json"
	start_proxy
	started=$(date +%s%N)
}

ended() { # NAME: $took_ms is known, the program has ended, and $dir/have are the sums
	stop_proxy
	verify "$1"
	from_server=$(json "$dir/count.json" rread_bytes)
	said=$(json "$dir/stats.json" server_read_bytes)
	[ "$from_server" = "$said" ] ||
		fail "$1: the proxy counted $from_server bytes, fsc9p $said"
	bytes=$(find "$dir/export" -type f -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }')
	from_cache=$((bytes > from_server ? bytes - from_server : 0))
	printf '%-22s %16s %16s %10s %10s\n' "$1" "$from_server" "$from_cache" \
		"$((bytes / 1000 / took_ms))" "$files" >>"$dir/table"
	printf '%s: %s bytes from the server, %s from the cache, %s files right\n' \
		"$1" "$from_server" "$from_cache" "$files"
}

milliseconds() {
	echo $((($(date +%s%N) - started) / 1000000 + 1))
}

pass() { # NAME: everything through fsc9p into a folder, compared with the server's
	began
	fsc9p --stats "$dir/stats.json" get -r / "$dir/got" || fail "$1: fsc9p ended with $?"
	took_ms=$(milliseconds)
	sums "$dir/got" >"$dir/have"
	ended "$1"
}

# A client that is killed while it fills an empty cache.
killed_pass() {
	say "killing a client (kill -9) while it fills an empty cache"
	rm -rf "$dir/cache"
	start_proxy
	# exec: what is killed is the client, not a shell that waits for it
	fsc9p exec warm / &
	client_pid=$!
	wait_for enough_cached
	kill -9 "$client_pid"
	wait "$client_pid" 2>/dev/null
	client_pid=
	stop_proxy
	pass "after kill -9"
	kept=$(json "$dir/stats.json" cache_read_bytes)
}

enough_cached() {
	[ "$(du -sk "$dir/cache" 2>/dev/null | cut -f 1)" -gt $((big_mib * 200)) ]
}

# --- The mount -----------------------------------------------------------------------------------

is_mounted() {
	mountpoint -q "$dir/mnt"
}

# Everything is read where it is mounted, by a program that knows nothing of any cache.
mount_pass() { # NAME
	began
	fsc9p --stats "$dir/stats.json" mount "$dir/mnt" || {
		fail "$1: fsc9p mount ended with $?"
		stop_proxy
		return 1
	}
	started=$(date +%s%N)
	cp -r "$dir/mnt" "$dir/got" || fail "$1: not all could be copied"
	took_ms=$(milliseconds)
	sums "$dir/got" >"$dir/have"
	fusermount3 -u "$dir/mnt" || fail "$1: not unmounted"
	# written when all is saved, as the last thing that it does
	wait_for test -s "$dir/stats.json" || fail "$1: fsc9p did not end"
	ended "$1"
	passthrough=$(json "$dir/stats.json" passthrough_opens)
}

mount_passes() {
	if ! [ -c /dev/fuse ] || ! (: <>/dev/fuse) 2>/dev/null; then
		echo "the mount is not shown: there is no /dev/fuse here, or it can't be opened"
		return
	fi
	rm -rf "$dir/cache"
	mkdir "$dir/mnt"
	say "the same files in a mounted filesystem: fsc9p mount, with an empty cache"
	mount_pass "mounted, cold" || return
	say "unmounted, and mounted again: warm"
	mount_pass "mounted, warm" || return
	[ "$from_server" = 0 ] || fail "mounted, warm: $from_server bytes came from the server"
	if [ "$passthrough" -gt 0 ]; then
		echo "of the files of 64 KiB or more ($passthrough) the kernel read the cache by itself (passthrough)"
	else
		echo "no passthrough: for that the kernel has to be Linux 6.9 or later, and fsc9p run by root"
	fi
}

server_pid=
proxy_pid=
client_pid=

install_packages
build
dir=$(mktemp -d) || exit 1
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
mkdir "$dir/export"
make_tree
start_server

say "reading everything: cold"
pass cold
say "again, by a new process: warm"
pass warm
[ "$from_server" = 0 ] || fail "warm: $from_server bytes came from the server"
change_tree
pass "some files changed"
[ "$from_server" -gt 0 ] || fail "changed files were not fetched"
killed_pass
pass "warm again"
[ "$from_server" = 0 ] || fail "warm again: $from_server bytes came from the server"
mount_passes

say "result"
printf '%-22s %16s %16s %10s %10s\n' pass 'from the server' 'from the cache' 'MB/s' 'files right'
cat "$dir/table"
printf '\nA changed file is fetched whole. Server and client share this machine and its disk, so MB/s says\n'
printf 'little here: what the cache saves is what comes from the server.\n'
printf '\nAfter the kill %s bytes of the unfinished cache were used.\n' "$kept"
if [ "$failures" -gt 0 ]; then
	printf '%s checks FAILED\n' "$failures"
	exit 1
fi
echo "Every byte was right, and the warm passes fetched none."
