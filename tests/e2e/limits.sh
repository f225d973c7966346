#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# limits.sh - the client gets less than it would like: the cache is in use, io_uring is refused, few
# descriptors, no locked memory, a small budget.

. "$(dirname "$0")/lib.sh"
setup
no_uring=$build/tests/e2e/no_uring

make_files() {
	random_file "$export/file" 5000001
	random_file "$export/held" 10000000
	for set in old new many; do
		mkdir "$export/$set"
	done
	for i in 0 1 2 3 4 5 6 7 8 9; do
		random_file "$export/old/$i" 1000000
	done
	i=0
	while [ $i -lt 40 ]; do
		random_file "$export/new/$i" 1000000
		i=$((i + 1))
	done
	i=0
	while [ $i -lt 500 ]; do
		random_file "$export/many/$i" 12000
		i=$((i + 1))
	done
}

# The first holds the cache for as long as nobody takes its output.
two_processes() {
	begin "the cache is in use"
	mkfifo "$tmp/output"
	"$program" --server "$server" --volume-dev first --aname "$export" --cache "$cache" \
		--clock-slack 2 --stats "$tmp/first-stats" cat held \
		>"$tmp/output" 2>"$tmp/first-err" &
	first=$!
	exec 3<"$tmp/output"
	head -c 1 <&3 >"$tmp/first-out" || wrong "nothing came"
	uncached file
	begin "the one that uses it, meanwhile"
	cat <&3 >>"$tmp/first-out"
	exec 3<&-
	wait "$first" || wrong "status $?"
	cmp "$tmp/first-out" "$export/held" || wrong "what was delivered differs"
	[ ! -s "$tmp/first-err" ] || wrong "it said $(cat "$tmp/first-err")"
	begin "the cache is free again"
	cold file
	quiet
	warm file
}

# Works, and says so once.
with_less() { # WHAT
	begin "$1, cold"
	rm -rf "$cache"
	cat_right file
	begin "$1, warm"
	warm file
	begin "$1, a tree"
	client warm many
	status_is 0
	client warm many
	status_is 0
	stat_is server_reads 0
	cat_right many/499
	stat_is server_reads 0
	verified
	verified_is complete 501
}

few_resources() {
	prefix="$no_uring"
	with_less "io_uring is refused"
	[ "$(wc -l <"$tmp/err")" -le 1 ] || wrong "more than a line was said"
	prefix="prlimit --nofile=64"
	with_less "64 descriptors"
	quiet
	prefix="prlimit --memlock=0"
	with_less "no locked memory"
	[ "$(wc -l <"$tmp/err")" -le 1 ] || wrong "more than a line was said"
	if [ "$(id -u)" = 0 ]; then
		# root may lock memory whatever the limit
		prefix="prlimit --memlock=0 $nobody"
		with_less "no locked memory, and not root"
		prefix="prlimit --nofile=64 $no_uring $nobody"
		with_less "neither descriptors nor io_uring nor root"
		rm -rf "$cache"
	fi
	prefix=
}

occupied() { # bytes
	du -s -B 1 "$cache" 2>/dev/null | cut -f 1
}

# What culling goes by are access times; these are given by hand.
aged() { # the objects that are there now
	find "$cache/cache" -type f -exec touch -a -d '2 days ago' {} +
}

small_budget() {
	begin "a small budget, filled"
	limit=20971520
	rm -rf "$cache"
	client --cache-size 20M warm old
	status_is 0
	[ "$(occupied)" -gt 10000000 ] || wrong "nothing was kept"
	aged
	begin "a small budget, overrun: 40 MB into 20 MiB"
	proxy_options="--delay-ms 5"
	client_starts --cache-size 20M --msize 16384 warm new
	proxy_options=
	most=0
	while kill -0 "$client_pid" 2>/dev/null; do
		now=$(occupied)
		[ "${now:-0}" -le "$most" ] || most=$now
		sleep 0.05
	done
	client_ends
	status_is 0
	agree
	stat_over objects_culled 9
	# what the folders themselves take isn't in the budget
	[ "$most" -le $((limit + 2000000)) ] || wrong "$most bytes were occupied meanwhile"
	[ "$(occupied)" -le $((limit + 2000000)) ] || wrong "$(occupied) bytes are occupied"
	verified
	begin "what was used last is there still, what was oldest is gone"
	[ "$(number_in "$tmp/verified" present_bytes)" -gt 10000000 ] ||
		wrong "$(number_in "$tmp/verified" present_bytes) bytes are in the cache"
	for i in 0 5 9; do
		client --cache-size 20M cat "old/$i"
		status_is 0
		out_is "$export/old/$i"
		stat_is cache_read_bytes 0
	done
	verified
	begin "a file larger than the budget"
	client --cache-size 4M cat held
	status_is 0
	out_is "$export/held"
	quiet
	client --cache-size 4M warm held
	status_is 0
	grep -q "not all of it was kept" "$tmp/err" || wrong "it said $(cat "$tmp/err")"
	[ "$(occupied)" -le $((4194304 + 2000000)) ] || wrong "$(occupied) bytes are occupied"
	verified
}

make_files
server_diod
settle
two_processes
few_resources
small_budget
finish
