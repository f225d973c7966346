#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount_tree.sh - a tree of many files (100,000 with FSC_LONG): all of it is right, the second time
# without a byte of data from the server, and a mount of a cache that holds it answers at once.

. "$(dirname "$0")/mount_lib.sh"
setup_mounts

files=1500
[ -z "${FSC_LONG-}" ] || files=100000

make_files() {
	python3 - "$export" "$files" <<-'END'
		import os, random, sys
		random.seed(3)
		for i in range(int(sys.argv[2])):
		    folder = "%s/%d/%d" % (sys.argv[1], i // 10000, i // 100)
		    os.makedirs(folder, exist_ok=True)
		    with open("%s/file %d" % (folder, i), "wb") as out:
		        out.write(random.randbytes(random.choice((0, 1, 100, 4096, 5000))))
	END
	mkdir "$export/flat"
	(cd "$export/flat" && seq 1 $((files / 2)) | xargs touch)
	bytes=$(find "$export" -type f -printf '%s\n' | awk '{ n += $1 } END { printf "%d", n }')
}

milliseconds() {
	echo $(($(date +%s%N) / 1000000))
}

scenario() {
	make_files
	serve
	settle
	up a
	stage "$files files, cold"
	counting a
	same_tree a
	[ "$kind" != 9p ] || came a "$bytes"
	halfway a
	stage "$files files, again"
	again a
	counting a
	same_tree a
	if [ "$mode" != uncached ]; then
		# the killed one had a second at most that wasn't saved yet
		[ "$mode" = killed ] || came_nothing a "$bytes"
		stage "by the next process"
		again a
		counting a
		same_tree a
		came_nothing a "$bytes"
	fi
	stage "a folder with $((files / 2)) names changes while it is listed"
	ls "$tmp/a/flat" >"$tmp/out" &
	lister=$!
	for i in 1 2 3 4 5 6 7 8 9; do
		rm "$export/flat/$i"
		: >"$export/flat/new$i"
	done
	wait "$lister" || wrong "ls failed"
	# what was there all the while is listed, once
	grep -v new "$tmp/out" | sort | uniq -d >"$tmp/twice"
	[ ! -s "$tmp/twice" ] || wrong "names are listed twice: $(head -n 3 "$tmp/twice")"
	[ "$(grep -c '^[0-9][0-9]' "$tmp/out")" = $((files / 2 - 9)) ] ||
		wrong "$(grep -c '^[0-9][0-9]' "$tmp/out") names are listed"
	stage "a tree is removed through the mount"
	rm -r "$tmp/a/0/1"
	[ ! -e "$export/0/1" ] || wrong "it is still there"
	began=$(milliseconds)
	again a
	head -c 1 "$tmp/a/0/2/file 200" >/dev/null
	took=$(($(milliseconds) - began))
	# shutting down and starting, on a busy machine: no bound is this test's business but sanity
	[ "$took" -lt 10000 ] || wrong "it took $took ms to mount again"
	down a
	caches_right a
	stop_server
}

each_mode scenario cached uncached killed
finish
