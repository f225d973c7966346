#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount_sparse.sh - sparse files over 4 GiB: offsets, holes, writes and truncations beyond what 32
# bits can hold.

. "$(dirname "$0")/mount_lib.sh"
setup_mounts

gib=1073741824

island() { # FILE OFFSET
	head -c 10000 /dev/urandom |
		dd of="$1" bs=1M oflag=seek_bytes seek="$2" conv=notrunc status=none
}

part() { # FILE OFFSET LENGTH
	dd if="$1" bs=1M iflag=skip_bytes,count_bytes skip="$2" count="$3" status=none
}

same_part() { # NAME PATH OFFSET LENGTH
	part "$tmp/$1/$2" "$3" "$4" >"$tmp/out"
	part "$export/$2" "$3" "$4" | cmp - "$tmp/out" || wrong "$2 differs, bytes $3 + $4"
}

places="0 $((2 * gib - 5000)) $((3 * gib)) $((4 * gib - 5000)) $((5 * gib + 1))
	$((9 * gib - 10000))"

scenario() {
	truncate -s $((9 * gib)) "$export/big"
	for at in 0 $((2 * gib - 5000)) $((4 * gib - 5000)) $((9 * gib - 10000)); do
		island "$export/big" "$at"
	done
	serve
	settle
	up a
	stage "9 GiB"
	[ "$(stat -c %s "$tmp/a/big")" = $((9 * gib)) ] || wrong "its size is wrong"
	for at in $places; do
		same_part a big "$at" 20000
	done
	halfway a
	for at in $places; do
		same_part a big "$at" 20000
	done
	stage "32 MiB across 4 GiB"
	same_part a big $((4 * gib - 16777217)) 33554435
	stage "past the end"
	same_part a big $((9 * gib - 1)) 100
	same_part a big $((9 * gib)) 100
	if [ "$mode" = cached ]; then
		stage "by the next process, without the server's data"
		again a
		counting a
		for at in $places; do
			same_part a big "$at" 20000
		done
		came_nothing a 120000
	fi
	stage "written to beyond 4 GiB"
	for at in $((4 * gib - 3)) $((6 * gib + 7)) $((9 * gib)); do
		island "$tmp/a/big" "$at"
		same_part a big $((at - 5000)) 20000
	done
	[ "$(stat -c %s "$export/big")" = $((9 * gib + 10000)) ] || wrong "its size is wrong"
	truncate -s $((5 * gib + 77)) "$tmp/a/big"
	[ "$(stat -c %s "$export/big")" = $((5 * gib + 77)) ] || wrong "it wasn't cut"
	halfway a
	same_part a big $((5 * gib - 100)) 1000
	truncate -s $((8 * gib)) "$tmp/a/big"
	same_part a big $((5 * gib)) 1000
	same_part a big $((6 * gib)) 20000
	stage "a sparse file is made"
	truncate -s $((6 * gib)) "$tmp/a/made"
	island "$tmp/a/made" $((5 * gib + 123))
	same_part a made $((5 * gib)) 20000
	# the server keeps its holes
	[ "$(du -s -B 1 "$export" | cut -f 1)" -lt 60000000 ] ||
		wrong "$(du -s -B 1 "$export" | cut -f 1) bytes are occupied on the server"
	again a
	for at in 0 $((5 * gib)) $((4 * gib - 5000)) $((8 * gib - 10)); do
		same_part a big "$at" 20000
	done
	down a
	# the holes of 9 GiB needn't be compared one by one: they are one region each
	caches_right a
	stop_server
}

each_mode scenario cached uncached killed
finish
