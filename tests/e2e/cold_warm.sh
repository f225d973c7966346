#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# cold_warm.sh - files are read once from the server and from then on from the cache: whole and in
# part, of any size and name, through every command.

. "$(dirname "$0")/lib.sh"
setup

newline=$(printf 'new\nline')
high=$(printf 'h\303\050\377\200')
long=$(printf '%0255d' 7)
deep=a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/a/b/c/d/e/f/g/h/i/j

make_files() {
	mkdir -p "$export/names" "$export/$deep" "$export/empty"
	for size in 0 1 4095 4096 4097 65536 1000001; do
		random_file "$export/size-$size" "$size"
	done
	random_file "$export/big" 20971520
	random_file "$export/parts" 5000001
	for name in "$newline" "$high" "$long" 'spa ce' '-rf' '*' '"quoted\"'; do
		echo "this is $name" >"$export/names/$name"
	done
	random_file "$export/$deep/file" 70000
	ln -s 'some where/else' "$export/link"
	head -c 300000 /dev/zero >"$export/zeroes"
}

sizes() {
	for size in 0 1 4095 4096 4097 65536 1000001; do
		begin "a file of $size bytes, cold"
		cold "size-$size"
		quiet
		[ "$size" = 0 ] || stat_over cache_write_bytes 0
		begin "a file of $size bytes, warm"
		warm "size-$size"
		quiet
		[ "$size" = 0 ] || stat_is objects_found 1
	done
	begin "a file of zeroes"
	cold zeroes
	warm zeroes
	verified
	verified_is stale 0
	verified_is complete 7
}

many_reads() {
	begin "20 MiB, cold"
	cold big
	stat_is not_kept_bytes 0
	stat_is objects_created 1
	begin "20 MiB, warm"
	warm big
	stat_is cache_write_bytes 0
	verified
}

part() { # OFFSET LENGTH: $tmp/out is that part
	client cat --offset "$1" --length "$2" parts
	status_is 0
	out_is "$export/parts" "$1" "$2"
}

parts() {
	begin "a part, cold"
	part 1000000 100000
	# whole granules are fetched for it, and a sensible unit at most
	stat_at_most server_read_bytes 2097152
	stat_over server_read_bytes 99999
	verified
	begin "the same part, warm"
	part 1000000 100000
	stat_is server_reads 0
	stat_is cache_read_bytes 100000
	begin "a part of it, unaligned"
	part 1004097 3
	stat_is server_reads 0
	begin "parts that begin and end anywhere"
	for at in 4095:2 4096:1 8191:4098 0:1 4999999:2 4990000:10001; do
		part "${at%:*}" "${at#*:}"
		part "${at%:*}" "${at#*:}"
		stat_is server_reads 0
	done
	verified
	begin "more than there is"
	part 4999990 1000
	[ "$(wc -c <"$tmp/out")" = 11 ] || wrong "$(wc -c <"$tmp/out") bytes came, wanted 11"
	begin "from the end on"
	client cat --offset 5000001 parts
	status_is 0
	[ ! -s "$tmp/out" ] || wrong "bytes came"
	client cat --offset 9000000000000000000 --length 5 parts
	status_is 0
	[ ! -s "$tmp/out" ] || wrong "bytes came"
	begin "the rest, and then all of it"
	cat_right parts
	warm parts
	verified
}

names() {
	for name in "names/$newline" "names/$high" "names/$long" 'names/spa ce' 'names/-rf' \
		'names/*' 'names/"quoted\"' "$deep/file"; do
		begin "the name $name"
		cold "$name"
		warm "$name"
	done
	begin "a path with slashes to spare"
	client cat "/names//spa ce"
	out_is "$export/names/spa ce"
	verified
}

tree_commands() {
	begin "ls"
	client ls names
	status_is 0
	# names as they are, where there is no terminal: one has two lines
	[ "$(wc -l <"$tmp/out")" = 8 ] || wrong "$(wc -l <"$tmp/out") lines, wanted 8"
	for name in 'spa ce' '-rf' '*' "$high" "$long"; do
		grep -q -x -F -e "$name" "$tmp/out" || wrong "$name is not listed"
	done
	client ls empty
	status_is 0
	[ ! -s "$tmp/out" ] || wrong "an empty folder has entries"
	client ls -l /
	status_is 0
	grep -q ' 20971520 .*big$' "$tmp/out" || wrong "big and its size are not listed"
	grep -q 'some where/else' "$tmp/out" || wrong "the link's target is not listed"
	begin "stat"
	client stat big
	status_is 0
	grep -q 20971520 "$tmp/out" || wrong "the size is not told"
	begin "a missing file"
	client cat missing
	status_is 1
	says 'missing: No such file'
	client get missing "$tmp/missing"
	status_is 1
	[ ! -e "$tmp/missing" ] || wrong "get made a file"
	begin "a folder is no file"
	client cat names
	status_is 1
	says 'names: '
}

get_files() {
	begin "get, from the cache"
	client get big "$tmp/got"
	status_is 0
	stat_is server_reads 0
	cmp "$tmp/got" "$export/big" || wrong "what was got differs"
	begin "get over an existing file"
	client get size-4097 "$tmp/got"
	status_is 0
	cmp "$tmp/got" "$export/size-4097" || wrong "what was got differs"
	begin "get to where nothing can be made"
	client get size-4097 "$tmp/none/got"
	status_is 1
	says none/got
	begin "nothing is left behind"
	same "files named got" "$(find "$tmp" -maxdepth 1 -name '*got*' | wc -l)" 1
}

no_cache() {
	begin "--no-cache"
	client --no-cache cat big
	status_is 0
	out_is "$export/big"
	stat_is server_read_bytes 20971520
	stat_is cache_reads 0
	stat_is cache_read_bytes 0
	quiet
	mv "$cache" "$cache.away"
	client --no-cache cat size-4097
	status_is 0
	[ ! -e "$cache" ] || wrong "a cache was made"
	mv "$cache.away" "$cache"
}

# What was changed a moment ago may change again within the same tick of the server's clock.
recently_changed() {
	begin "a file made a moment ago is delivered and not kept"
	random_file "$export/recent" 20000
	client --clock-slack 1000 cat recent
	status_is 0
	out_is "$export/recent"
	stat_over not_kept_bytes 0
	verified
}

folder() {
	begin "the cache's folder"
	same "its mode" "$(stat -c %a "$cache")" 700
	begin "the default place"
	XDG_CACHE_HOME=$tmp/xdg
	export XDG_CACHE_HOME
	mkdir "$XDG_CACHE_HOME"
	start_proxy
	"$program" --server "unix:$tmp/proxy.sock" --aname "$export" --clock-slack 2 \
		cat size-4097 >"$tmp/out" 2>"$tmp/err"
	status=$?
	stop_proxy
	status_is 0
	out_is "$export/size-4097"
	[ -f "$XDG_CACHE_HOME/fsc9p/super" ] || wrong "no cache in XDG_CACHE_HOME/fsc9p"
	same "its mode" "$(stat -c %a "$XDG_CACHE_HOME/fsc9p")" 700
}

make_files
server_diod
settle
sizes
many_reads
parts
names
tree_commands
get_files
no_cache
recently_changed
folder
finish
