#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# big.sh - files over 1 GiB and over 4 GiB, sparse on the server: offsets, holes, what a whole
# one costs.

. "$(dirname "$0")/lib.sh"
setup

gib=1073741824

islands() { # FILE OFFSET...: some bytes at each
	fsc_file=$1
	shift
	for fsc_at in "$@"; do
		head -c 10000 /dev/urandom |
			dd of="$fsc_file" bs=1M oflag=seek_bytes seek="$fsc_at" conv=notrunc \
				status=none
	done
}

make_files() {
	truncate -s $((gib + 1)) "$export/1g"
	islands "$export/1g" 0 5000 500000000 $((gib - 9999))
	truncate -s $((9 * gib)) "$export/9g"
	islands "$export/9g" 0 $((2 * gib - 5000)) $((4 * gib - 5000)) $((9 * gib - 10000))
}

part() { # OFFSET LENGTH
	client cat --offset "$1" --length "$2" 9g
	status_is 0
	out_is_part "$1" "$2"
}

# By seeking: out_is would read all that comes before.
out_is_part() {
	dd if="$export/9g" bs=1M iflag=skip_bytes,count_bytes skip="$1" count="$2" status=none |
		cmp - "$tmp/out" || wrong "what was delivered differs from 9g, bytes $1 + $2"
}

make_files
server_diod
settle

begin "1 GiB + 1, cold"
cold 1g
stat_is not_kept_bytes 0
begin "1 GiB + 1, warm"
warm 1g
# a whole one is one flag, and its holes are holes here too
[ "$(du -s -B 1 "$cache" | cut -f 1)" -lt 50000000 ] ||
	wrong "$(du -s -B 1 "$cache" | cut -f 1) bytes are occupied"
rm "$tmp/out"
verified
verified_is complete 1

for at in 0 $((2 * gib - 2)) $((3 * gib)) $((4 * gib - 4097)) $((5 * gib)) $((9 * gib - 10000)); do
	begin "9 GiB, at $at"
	part "$at" 10000
	stat_over server_read_bytes 0
	begin "9 GiB, at $at, again"
	part "$at" 10000
	stat_is server_reads 0
	stat_is cache_read_bytes 10000
done
begin "9 GiB, 32 MiB across 4 GiB"
part $((4 * gib - 16777217)) 33554435
part $((4 * gib - 16777217)) 33554435
stat_is server_reads 0
begin "9 GiB, past its end"
part $((9 * gib - 1)) 10
part $((9 * gib)) 10
verified
verified_is complete 1
verified_is stale 0
finish
