#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# instructions.sh - the library's own instructions for a warm 4 KiB read, counted by callgrind:
# what is in lib/ and backends/uring, without libc, liburing and the kernel. The count repeats,
# whatever else the machine does.
#
#   sh tests/bench/instructions.sh BUILD [DIR]

set -u
build=${1:?usage: instructions.sh BUILD [DIR]}
dir=${2:-.}
reads=10000
out=$(mktemp) || exit 1
trap 'rm -f "$out" "$out.txt"' EXIT

valgrind -q --tool=callgrind --callgrind-out-file="$out" --collect-atstart=no \
	--toggle-collect=bench_counted_reads "$build/tests/bench/fsc-bench" \
	--dir "$dir" --count-reads "$reads" || exit 1
callgrind_annotate --threshold=100 --auto=no "$out" >"$out.txt" || exit 1
awk -v reads="$reads" '
	# "  1,234 (12.3%)  ../lib/read.c:fsc_read_start [...]"
	match($0, /(lib|backends\/uring)\/[a-z0-9_]+\.[ch]:/) {
		n = $1
		gsub(/,/, "", n)
		total += n
		file = substr($0, RSTART, RLENGTH - 1)
		by[file] += n
	}
	END {
		for (f in by)
			printf "%8.1f  %s\n", by[f] / reads, f | "sort -rn"
		close("sort -rn")
		printf "%8.1f  instructions of the library per warm 4 KiB read\n", total / reads
	}' "$out.txt"
