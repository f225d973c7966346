#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# leaks.sh - valgrind finds no leak and no error in the client, cold, warm, changed and cut off.
#
# With transfers on threads: valgrind holds back all other threads while one waits in
# io_uring_enter. The ring has the sanitizers' leak check: this folder's tests can be run on an
# instrumented build too.

. "$(dirname "$0")/lib.sh"
setup
need valgrind
no_uring=$build/tests/e2e/no_uring
nm "$program" | grep -q -e __asan_init -e __tsan_init && skip "built with a sanitizer"

mkdir "$export/tree"
for size in 0 1 4097 100000; do
	random_file "$export/tree/$size" "$size"
done
random_file "$export/file" 3000001
random_file "$export/changing" 300001
server_diod
settle

clean() { # STATUS OPTION... COMMAND...
	wanted=$1
	shift
	client "$@"
	status_is "$wanted"
	if ! grep -q 'ERROR SUMMARY: 0 errors' "$tmp/valgrind"; then
		fail "$scenario: valgrind found something"
		head -n 60 "$tmp/valgrind"
	fi
}

commands() {
	rm -rf "$cache"
	begin "cold"
	clean 0 cat file
	out_is "$export/file"
	stat_is server_read_bytes 3000001
	begin "warm"
	clean 0 cat file
	out_is "$export/file"
	stat_is server_reads 0
	begin "a part"
	clean 0 cat --offset 5000 --length 100 changing
	random_file "$export/changing" 300001
	begin "changed"
	clean 0 cat changing
	out_is "$export/changing"
	begin "a tree"
	clean 0 warm tree
	clean 0 warm tree
	begin "get, ls, stat, and no cache"
	clean 0 get file "$tmp/got"
	clean 0 ls -l tree
	clean 0 stat file
	clean 0 --no-cache cat file
	begin "errors"
	clean 1 cat missing
	proxy_options="--kill-after-bytes 100000"
	agreement=agree_but_for_answers
	clean 1 --no-cache cat file
	agreement=agree
	proxy_options=
	verified
}

prefix="$no_uring valgrind -q -v --log-file=$tmp/valgrind --leak-check=full --show-leak-kinds=all
	--errors-for-leak-kinds=all --error-exitcode=99"
commands
finish
