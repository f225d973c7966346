#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount_write.sh - what was written through a mount is on the server, and reads back identically: at
# once, by another client, by the next process, after a kill and after the server changed it; also
# where the mount was told that nobody else writes (-o sole_writer).

. "$(dirname "$0")/mount_lib.sh"
setup_mounts

ops="python3 $e2e/mount_ops.py"
long=${FSC_LONG:+1}

random_writes() { # SEED [MOUNT-OPTION...]
	stage "random writes, seed $1"
	seed=$1
	shift
	rm -f "$tmp/reference" "$tmp/a/random"
	# two stretches, between which the client may be killed
	for part in 1 2; do
		$ops random "$tmp/a/random" "$tmp/reference" "$seed$part" "$((long ? 3000 : 80))" \
			>"$tmp/out" 2>&1 || wrong "$(cat "$tmp/out")"
		cmp "$tmp/reference" "$export/random" || wrong "the server has something else"
		halfway a "$@"
		same_file a random
		forget
		same_file a random
	done
}

small_things() {
	stage "new, appended to, cut, written over and emptied"
	random_file "$tmp/a/new" 70001
	random_file "$tmp/more" 4097
	cp "$tmp/a/new" "$tmp/reference-new"
	cat "$tmp/more" >>"$tmp/a/new"
	cat "$tmp/more" >>"$tmp/reference-new"
	cmp "$export/new" "$tmp/reference-new" || wrong "what was appended isn't there"
	same_file a new
	truncate -s 12345 "$tmp/a/new"
	truncate -s 12345 "$tmp/reference-new"
	truncate -s 50000 "$tmp/a/new"
	truncate -s 50000 "$tmp/reference-new"
	cmp "$export/new" "$tmp/reference-new" || wrong "it was cut wrongly"
	same_file a new
	dd if="$tmp/more" of="$tmp/a/new" bs=1 seek=20001 conv=notrunc status=none count=3000
	dd if="$tmp/more" of="$tmp/reference-new" bs=1 seek=20001 conv=notrunc status=none \
		count=3000
	cmp "$export/new" "$tmp/reference-new" || wrong "it was overwritten wrongly"
	same_file a new
	: >"$tmp/a/new"
	[ ! -s "$export/new" ] || wrong "it isn't empty"
	cp "$tmp/more" "$tmp/a/new"
	same_file a new
	stage "large blocks, synced"
	dd if=/dev/urandom of="$tmp/a/large" bs=1M count=24 conv=fsync status=none
	halfway a "$@"
	same_file a large
	stage "a tree is copied, moved and thinned out"
	mkdir "$tmp/a/tree"
	cp -a "$e2e" "$tmp/a/tree/one"
	diff -r "$e2e" "$export/tree/one" >/dev/null || wrong "the copy isn't the original"
	mv "$tmp/a/tree/one" "$tmp/a/tree/two"
	rm "$tmp"/a/tree/two/*.py
	ln "$tmp/a/tree/two/lib.sh" "$tmp/a/tree/hard"
	ln -s two "$tmp/a/tree/soft"
	halfway a "$@"
	wait_until 5 same_listing a
	same_tree a
}

# The server's own changes come after the client's.
changed_then() {
	stage "written here, then changed on the server"
	for round in 1 2 3 4 5 6; do
		random_file "$tmp/a/both" 100000
		same_file a both
		dd if=/dev/urandom of="$export/both" bs=1000 seek=$((round * 3)) count=20 \
			conv=notrunc status=none
		same_file a both
		same_file b both
	done
	halfway a "$@"
	same_file a both
}

next_process() { # [OPTION...]
	stage "by the next process"
	wait_until 5 same_listing a
	again a "$@"
	same_tree a
	same_tree b
}

# The bytes that were written are in the cache: nothing is read back from the server.
kept() {
	stage "sole_writer: what was written needn't be read"
	random_file "$tmp/reference" 3000001
	cp "$tmp/reference" "$tmp/a/kept"
	forget
	counting a
	same_file a kept
	came_nothing a 3000001
	again a -o sole_writer
	stage "sole_writer: not by the next process either"
	counting a
	same_file a kept
	came_nothing a 3000001
}

scenario() {
	serve
	up a
	up b
	small_things
	random_writes 1
	random_writes 2
	changed_then
	settle
	next_process
	if has_cache; then
		stage "what was written and read once is read from the cache"
		settle
		same_tree a
		again a
		counting a
		same_tree a
		came_nothing a 25000000
	fi
	down a
	down b
	caches_right a b
	stop_server
}

# b only reads here.
scenario_sole() {
	serve
	up a -o sole_writer
	up b
	small_things -o sole_writer
	random_writes 3 -o sole_writer
	next_process -o sole_writer
	! has_cache || kept
	down a
	down b
	caches_right a b
	stop_server
}

each_mode scenario cached uncached killed
each_mode scenario_sole cached killed
finish
