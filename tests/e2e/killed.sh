#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# killed.sh - the server, the connection or the client goes away in the middle: the caller is told,
# what is in the cache stays right, and the next run completes it.

. "$(dirname "$0")/lib.sh"
setup

# At the rate that it is read at here, some seconds' worth.
size=40000000

make_files() {
	for file in cut died int term kill-0 kill-1 kill-2 kill-3 kill-4 kill-5; do
		random_file "$export/$file" "$size"
	done
	mkdir "$export/tree"
	i=0
	while [ $i -lt 600 ]; do
		random_file "$export/tree/$i" $((i * 37 + 1))
		i=$((i + 1))
	done
}

# The bytes that were delivered are the file's first.
delivered_is_a_beginning() { # FILE
	head -c "$(wc -c <"$tmp/out")" "$export/$1" | cmp - "$tmp/out" ||
		wrong "what was delivered is not the beginning of $1"
}

completes() { # FILE
	begin "$1, the next run"
	cat_right "$1"
	begin "$1, the run after it"
	warm "$1"
}

connection_is_cut() {
	begin "the connection is cut in the middle of a message"
	proxy_options="--kill-after-bytes 9999999"
	agreement=agree_but_for_answers
	client cat cut
	agreement=agree
	proxy_options=
	status_is 1
	says cut
	delivered_is_a_beginning cut
	verified
	completes cut
	# what had been stored was not fetched again
	verified
}

server_is_killed() {
	begin "the server is killed"
	proxy_options="--delay-ms 60"
	client_starts --msize 8192 cat died
	proxy_options=
	payload_reaches 10000000 || wrong "nothing was read"
	stop_server KILL
	client_ends
	agree_at_most # the proxy held some back
	status_is 1
	says died
	delivered_is_a_beginning died
	verified
	begin "no server at all"
	start_proxy
	stop_proxy
	timeout -k 5 60 "$program" --server "unix:$tmp/proxy.sock" --aname "$export" \
		--cache "$cache" --stats "$tmp/stats" cat died >"$tmp/out" 2>"$tmp/err"
	status=$?
	status_is 1
	says proxy.sock
	[ -s "$tmp/stats" ] || wrong "no statistics were written"
	server_diod
	completes died
	stat_is objects_found 1
	verified
}

told_to_end() { # SIGNAL NUMBER FILE
	begin "SIG$1"
	proxy_options="--delay-ms 60"
	# a shell has background commands ignore SIGINT
	prefix="env --default-signal=INT"
	client_starts --msize 8192 cat "$3"
	prefix=
	proxy_options=
	payload_reaches 10000000 || wrong "nothing was read"
	kill "-$1" "$client_pid"
	client_ends
	agree_at_most
	status_is $((128 + $2))
	delivered_is_a_beginning "$3"
	verified
	begin "after SIG$1"
	cat_right "$3"
	# what had come before was kept
	stat_over cache_read_bytes 1000000
	warm "$3"
	verified
}

# At several moments of a fill.
client_is_killed() {
	i=0
	for bytes in 1 1000000 5000000 12000000 20000000 30000000; do
		begin "kill -9 after $bytes bytes"
		proxy_options="--delay-ms 60"
		client_starts --msize 8192 cat "kill-$i"
		proxy_options=
		payload_reaches "$bytes"
		kill -KILL "$client_pid"
		client_ends 2>/dev/null
		status_is 137
		verified --killed
		completes "kill-$i"
		i=$((i + 1))
	done
	verified
	verified_is stale 0
}

# Many files, each at another place of its life. Saving once a second, some were, some were not.
warm_is_killed() {
	begin "kill -9 in the middle of a tree"
	proxy_options="--delay-ms 5"
	for bytes in 100000 1000000 2500000 4000000; do
		client_starts warm tree
		payload_reaches "$bytes"
		kill -KILL "$client_pid"
		client_ends 2>/dev/null
		verified --killed
	done
	proxy_options=
	begin "the tree, completed"
	client warm tree
	status_is 0
	client warm tree
	status_is 0
	stat_is server_reads 0
	verified
	verified_is unbelieved 0
	for file in 0 1 299 599; do
		warm "tree/$file"
	done
}

make_files
server_diod
settle
connection_is_cut
server_is_killed
told_to_end INT 2 int
told_to_end TERM 15 term
client_is_killed
warm_is_killed
finish
