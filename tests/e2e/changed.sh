#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# changed.sh - a file that changes on the server, in whatever way, is fetched anew: between runs and
# while it is read.

. "$(dirname "$0")/lib.sh"
setup

kinds='grown shrunk replaced rewritten touched truncated rewritten-backdated
	exchanged-a exchanged-b'

make_files() {
	for kind in $kinds; do
		random_file "$export/$kind" 300001
	done
	for kind in get cat; do
		random_file "$export/during-$kind" 30000000
	done
}

change_files() {
	random_file "$tmp/more" 100000
	cat "$tmp/more" >>"$export/grown"
	truncate -s 123456 "$export/shrunk"
	random_file "$export/new" 300001
	mv "$export/new" "$export/replaced"
	random_file "$export/rewritten" 300001
	touch "$export/touched"
	: >"$export/truncated"
	# other bytes, the same size and the same mtime: only the ctime tells
	touch -r "$export/rewritten-backdated" "$tmp/reference"
	random_file "$export/rewritten-backdated" 300001
	touch -r "$tmp/reference" "$export/rewritten-backdated"
	mv "$export/exchanged-a" "$tmp/exchanged"
	mv "$export/exchanged-b" "$export/exchanged-a"
	mv "$tmp/exchanged" "$export/exchanged-b"
}

between_runs() {
	for kind in $kinds; do
		begin "$kind, before"
		cold "$kind"
		warm "$kind"
	done
	verified
	verified_is stale 0
	change_files
	for kind in $kinds; do
		# a moment ago: right, but maybe not kept
		begin "$kind, at once"
		cat_right "$kind"
	done
	verified
	settle
	for kind in $kinds; do
		begin "$kind, after"
		cat_right "$kind"
		begin "$kind, from the cache again"
		warm "$kind"
	done
	verified
	# the file that was replaced has a number of its own, and of an empty one nothing is looked
	# up
	verified_is stale 2
}

# Something new at each moment that it could go unnoticed at.
again_and_again() {
	begin "many changes in a row"
	random_file "$export/often" 50000
	for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		random_file "$export/often" 50000
		client cat often
		status_is 0
		out_is "$export/often"
		[ "$fsc_failed" = 0 ] || break
	done
	verified
}

change_during() { # FILE: in its second half, when something of the first has been read
	payload_reaches 2000000 || wrong "nothing was read"
	dd if=/dev/urandom of="$export/$1" bs=1000000 seek=20 count=5 conv=notrunc status=none
}

# Slowed down, so that it lasts: the server answers 10 ms late, few at a time.
during_runs() {
	proxy_options="--delay-ms 30"
	begin "a file that changes while get reads it"
	client_starts --msize 8192 get during-get "$tmp/got"
	change_during during-get
	client_ends
	agree
	status_is 0
	cmp "$tmp/got" "$export/during-get" || wrong "what was got is not what the server has"
	begin "a file that changes while cat reads it"
	client_starts --msize 8192 cat during-cat
	change_during during-cat
	client_ends
	agree
	status_is 1
	says during-cat
	proxy_options=
	verified
	settle
	for kind in get cat; do
		begin "the file that changed during $kind, after"
		cat_right "during-$kind"
		warm "during-$kind"
	done
	verified
	verified_is stale 2
}

# Shorter and longer than it was told to be at the open.
resized_during() {
	random_file "$export/during-shrink" 30000000
	random_file "$export/during-grow" 30000000
	settle
	proxy_options="--delay-ms 30"
	begin "a file that shrinks while get reads it"
	client_starts --msize 8192 get during-shrink "$tmp/got"
	payload_reaches 2000000
	truncate -s 10000001 "$export/during-shrink"
	client_ends
	agree_but_for_answers
	status_is 0
	cmp "$tmp/got" "$export/during-shrink" || wrong "what was got is not what the server has"
	begin "a file that grows while get reads it"
	client_starts --msize 8192 get during-grow "$tmp/got"
	payload_reaches 2000000
	cat "$tmp/more" >>"$export/during-grow"
	client_ends
	agree
	status_is 0
	cmp "$tmp/got" "$export/during-grow" || wrong "what was got is not what the server has"
	proxy_options=
	verified
}

# A moment after a change nothing is kept: but who asks for just that waits until it may be.
warmed_at_once() {
	begin "a file made a moment ago, by warm"
	random_file "$export/fresh" 3000001
	client warm fresh
	status_is 0
	begin "from the cache then"
	warm fresh
	verified
}

make_files
server_diod
settle
between_runs
again_and_again
warmed_at_once
during_runs
resized_during
finish
