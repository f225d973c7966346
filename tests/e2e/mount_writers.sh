#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount_writers.sh - several write at once, through two mounts, into one file and into many: nothing
# that was written is lost, and both read what the server has.

. "$(dirname "$0")/mount_lib.sh"
setup_mounts

ops="python3 $e2e/mount_ops.py"
length=1500000

# Pieces of four writers lie in the same pages: who writes a page back whole loses the others'.
one_file() {
	stage "one file, four writers, two mounts"
	truncate -s "$length" "$export/shared"
	pids=
	for writer in 0 1 2 3; do
		[ $((writer % 2)) = 0 ] && at=a || at=b
		$ops regions "$tmp/$at/shared" "$writer" 4 "$length" >>"$tmp/out" 2>&1 &
		pids="$pids $!"
	done
	# and somebody reads all the while
	cat "$tmp/a/shared" >/dev/null || wrong "it can't be read"
	cat "$tmp/b/shared" >/dev/null || wrong "it can't be read"
	for pid in $pids; do
		wait "$pid" || wrong "a writer failed: $(cat "$tmp/out")"
	done
	for at in export a b; do
		$ops regions-right "$tmp/$at/shared" 4 "$length" >"$tmp/out" 2>&1 ||
			wrong "$(cat "$tmp/out")"
	done
}

# The same folder, other names; and some of them renamed over each other.
many_files() {
	stage "many files, from both sides"
	mkdir "$export/many"
	chmod 777 "$export/many"
	pids=
	for writer in 0 1 2 3; do
		[ $((writer % 2)) = 0 ] && at=a || at=b
		sh -c 'i=0
			while [ $i -lt 40 ]; do
				echo "$1 wrote $i" >"$2/$1-$i" || exit 1
				echo "$1 wrote $i anew" >"$2/new-$1" &&
					mv "$2/new-$1" "$2/common-$i" || exit 1
				i=$((i + 1))
			done' sh "$writer" "$tmp/$at/many" >>"$tmp/out" 2>&1 &
		pids="$pids $!"
	done
	for pid in $pids; do
		wait "$pid" || wrong "a writer failed: $(cat "$tmp/out")"
	done
	same "$scenario: files" "$(find "$export/many" -type f | wc -l)" 200
	halfway a
	for at in a b; do
		wait_until 10 same_listing "$at"
		same_tree "$at"
	done
}

# Appends of one mount come in order and whole.
appenders() {
	stage "several append through one mount"
	: >"$export/log"
	chmod 666 "$export/log"
	pids=
	for writer in 1 2 3; do
		python3 -c '
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
for i in range(100):
    os.write(fd, b"%s:%d\n" % (sys.argv[2].encode(), i))' "$tmp/a/log" "$writer" &
		pids="$pids $!"
	done
	for pid in $pids; do
		wait "$pid" || wrong "an appender failed"
	done
	for writer in 1 2 3; do
		grep "^$writer:" "$export/log" >"$tmp/got"
		i=0
		while [ $i -lt 100 ]; do
			echo "$writer:$i"
			i=$((i + 1))
		done | cmp - "$tmp/got" || wrong "lines of $writer are lost or out of order"
	done
	same_file b log
}

scenario() {
	serve
	up a
	up b
	one_file
	many_files
	appenders
	settle
	again b
	same_tree b
	down a
	down b
	caches_right a b
	stop_server
}

each_mode scenario cached uncached killed
finish
