#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# ganesha.sh - the same over another server: nfs-ganesha, whose errors are of a type of their own,
# and which has no use for a data version.

. "$(dirname "$0")/lib.sh"
need python3
in_own_network "$@"
setup

make_files() {
	mkdir "$export/tree"
	for size in 0 1 4095 4096 4097; do
		random_file "$export/tree/$size" "$size"
	done
	random_file "$export/file" 10000001
	random_file "$export/changing" 300001
	random_file "$export/unreadable" 1000
	long=$(printf '%0255d' 7)
	newline=$(printf 'new\nline')
	for name in "$long" "$newline"; do
		echo "this is $name" >"$export/$name"
	done
	ln -s tree "$export/link"
}

make_files
server_ganesha
settle
begin "10 MB, cold"
cold file
quiet
begin "10 MB, warm"
warm file
begin "a tree"
client warm tree
status_is 0
stat_is server_read_bytes 12289
client warm tree
status_is 0
stat_is server_reads 0
for name in "$long" "$newline"; do
	begin "the name $name"
	cold "$name"
	warm "$name"
done
begin "a missing file"
client cat missing
status_is 1
says 'missing: No such file or directory'
client cat tree/missing/x
status_is 1
says 'tree/missing/x: No'
client cat file/x
status_is 1
says 'file/x: '
begin "ls and stat"
client ls -l /
status_is 0
grep -q '10000001 .*file$' "$tmp/out" || wrong "file and its size are not listed"
client stat file
status_is 0
grep -q 10000001 "$tmp/out" || wrong "the size is not told"
begin "a larger msize than it should be asked for is not asked for"
client --no-cache cat file
status_is 0
out_is "$export/file"
verified
verified_is stale 0

begin "changed, before"
cold changing
warm changing
random_file "$export/changing" 300001
begin "changed, at once"
cat_right changing
settle
begin "changed, after"
cat_right changing
warm changing
verified
verified_is stale 0
begin "the server is alive"
kill -0 "$server_pid" || wrong "it died"
begin "the server is killed"
stop_server KILL
start_proxy
stop_proxy
timeout -k 5 60 "$program" --server "$server" --aname "$export" --cache "$cache" cat file \
	>"$tmp/out" 2>"$tmp/err"
status=$?
status_is 1
verified
finish
