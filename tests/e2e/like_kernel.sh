#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# like_kernel.sh - a cache shared with Linux's own 9p (--like-kernel): the bytes of its keys and
# coherency data, and both directions, with a stand-in for the kernel that has the same (peer.c).
# tests/kernel/both.sh does it with the kernel.

. "$(dirname "$0")/lib.sh"
setup
need python3
peer=$build/tests/e2e/peer

like_kernel() { # OPTION... COMMAND...
	client --like-kernel there/share --cachetag a/tag "$@"
}

make_files() {
	mkdir -p "$export/tree/deep"
	for size in 0 1 4095 4096 4097 300001; do
		random_file "$export/tree/size-$size" "$size"
	done
	random_file "$export/tree/deep/big" 3000000
	random_file "$export/tree/changes" 20000
	# no two times in these tests are of the same second
	clock=1500000000
	find "$export/tree" -type f | sort >"$tmp/files"
	while read -r file; do
		tick "$file"
	done <"$tmp/files"
	total=$(cat "$export"/tree/size-* "$export/tree/changes" "$export/tree/deep/big" | wc -c)
}

tick() { # FILE: another second, long ago
	clock=$((clock + 1))
	touch -d "@$clock" "$1"
}

# Of all objects: folder, key, stored coherency data, size, as the files of the export want them.
bytes_of_keys() {
	begin "the bytes of keys and coherency data"
	python3 - "$cache" "$export/tree" >"$tmp/bytes" 2>&1 <<-'END' || wrong "$(cat "$tmp/bytes")"
		import base64, os, struct, sys
		cache, tree = sys.argv[1:]
		files = [os.stat(os.path.join(d, n)) for d, _, names in os.walk(tree) for n in names]
		wanted = {struct.pack("<Q", s.st_ino):
		    (struct.pack("<I", (int(s.st_mtime) ^ s.st_size << 8) & 0xffffffff), s.st_size)
		    for s in files if s.st_size}
		assert os.listdir(cache + "/cache") == ["I9p,there;share,a;tag"], os.listdir(cache + "/cache")
		volume = cache + "/cache/I9p,there;share,a;tag"
		value = os.getxattr(volume, "user.fscache")
		assert value[16] == 0, "a volume has coherency data"
		assert value[36:] == b"9p,there;share,a;tag", value[36:]
		found = {}
		for fan in os.listdir(volume):
		    for name in os.listdir(volume + "/" + fan):
		        key = name[1:] + "=" * (-len(name[1:]) % 4)
		        key = base64.urlsafe_b64decode(key) if name[0] == "E" else name[1:].encode()
		        value = os.getxattr(volume + "/" + fan + "/" + name, "user.fscache")
		        size, = struct.unpack("<Q", value[8:16])
		        found[key] = (value[36:36 + value[16]], size)
		assert found == wanted, (found, wanted)
	END
}

to_the_kernel() {
	begin "warmed by us"
	like_kernel warm /tree
	status_is 0
	quiet
	stat_is server_read_bytes "$total"
	bytes_of_keys
	verified --like-kernel
	verified_is complete 7
	python3 -c 'import os, sys; sys.exit("user.fsc9p.size" in os.listxattr(sys.argv[1]))' \
		"$cache" || wrong "it was given a size that is ours"
	begin "read by the other"
	# shellcheck disable=SC2046 # words
	same "bytes that it lacked" "$("$peer" "$cache" "9p,there;share,a;tag" $(cat "$tmp/files"))" 0
}

from_the_kernel() {
	begin "filled by the other"
	rm -rf "$cache"
	mkdir "$cache"
	# shellcheck disable=SC2046 # words
	same "bytes that it lacked" \
		"$("$peer" "$cache" "9p,there;share,a;tag" $(cat "$tmp/files"))" "$total"
	bytes_of_keys
	begin "read by us"
	while read -r file; do
		[ ! -s "$file" ] || like_kernel cat "${file#"$export"}"
		[ ! -s "$file" ] || out_is "$file"
		stat_is server_reads 0
	done <"$tmp/files"
	like_kernel warm /tree
	status_is 0
	stat_is server_reads 0
}

other_keys() {
	begin "another source, another tag, the aname, our own keys"
	for options in '--like-kernel else --cachetag a/tag' '--like-kernel there/share' \
		'--like-kernel there/share --cachetag b' '--volume-dev there/share'; do
		# shellcheck disable=SC2086 # words
		client $options cat /tree/size-4097
		status_is 0
		out_is "$export/tree/size-4097"
		stat_is server_read_bytes 4097
	done
	[ -d "$cache/cache/I9p,there;share,$(echo "$export" | tr / ';')" ] ||
		wrong "no folder for the aname: $(ls "$cache/cache")"
}

changed() {
	begin "changed on the server, to the same size"
	random_file "$export/tree/changes" 20000
	tick "$export/tree/changes"
	like_kernel cat /tree/changes
	out_is "$export/tree/changes"
	stat_is server_read_bytes 20000
	like_kernel warm /tree/changes # which waits until it can be kept
	like_kernel cat /tree/changes
	out_is "$export/tree/changes"
	stat_is server_reads 0
	same "bytes that the other lacked" \
		"$("$peer" "$cache" "9p,there;share,a;tag" "$export/tree/changes")" 0
	begin "changed on the server, the other first"
	random_file "$export/tree/changes" 20000
	tick "$export/tree/changes"
	same "bytes that the other lacked" \
		"$("$peer" "$cache" "9p,there;share,a;tag" "$export/tree/changes")" 20000
	like_kernel cat /tree/changes
	out_is "$export/tree/changes"
	stat_is server_reads 0
	begin "another size, the same time"
	random_file "$export/tree/changes" 20001
	touch -d "@$clock" "$export/tree/changes"
	like_kernel cat /tree/changes
	out_is "$export/tree/changes"
	stat_is server_read_bytes 20001
}

# A version may be of whole seconds: what was changed a moment ago, and could be again in this one,
# isn't kept, though its times have nanoseconds.
just_now() {
	begin "changed a moment ago"
	random_file "$export/tree/new" 20000
	like_kernel --clock-slack 1000 cat /tree/new
	out_is "$export/tree/new"
	stat_over not_kept_bytes 0
	begin "changed a moment ago, and waited for"
	like_kernel --clock-slack 1000 warm /tree/new
	status_is 0
	like_kernel cat /tree/new
	stat_is server_reads 0
	verified --like-kernel
	rm "$export/tree/new"
}

no_version() {
	begin "a file without a version"
	random_file "$export/tree/none" 4096
	touch -d @1048576 "$export/tree/none"
	like_kernel warm /tree
	status_is 1
	one_warning
	says "tree/none: can't be cached"
	like_kernel cat /tree/none
	status_is 0
	out_is "$export/tree/none"
	like_kernel cat /tree/none
	stat_is server_read_bytes 4096
	rm "$export/tree/none"
}

no_versions() {
	begin "a server without versions"
	stop_server
	server_versions none
	agreement=: # it ends before there is anything to be counted
	for command in warm cat; do
		like_kernel $command /tree/size-4097
		status_is 1
		one_warning
		says 'gives its files no versions'
		[ ! -s "$tmp/out" ] || wrong "something was delivered"
	done
	agreement=agree
	begin "a server without versions, for QEMU's"
	like_kernel --qids qemu warm /tree
	status_is 0
	stat_is server_reads 0
	random_file "$export/tree/changes" 20000
	tick "$export/tree/changes"
	like_kernel --qids qemu warm /tree/changes
	like_kernel --qids qemu cat /tree/changes
	out_is "$export/tree/changes"
	stat_is server_reads 0
	same "bytes that the other lacked" \
		"$("$peer" "$cache" "9p,there;share,a;tag" "$export/tree/changes")" 0
	begin "the same, remapped"
	like_kernel --qids qemu-remap warm /tree/changes
	stat_is server_read_bytes 20000
	like_kernel --qids qemu-remap cat /tree/changes
	stat_is server_reads 0
}

mistakes() {
	begin "mistakes"
	agreement=:
	while read -r named options; do
		# shellcheck disable=SC2086 # words
		client $options cat /tree/size-4097 </dev/null
		status_is 2
		says "$named"
	done <<-END
		--like-kernel --like-kernel=
		--cachetag --cachetag a
		--qids --qids server
		--qids --like-kernel a --qids own
		--volume-dev --like-kernel a --volume-dev a
	END
}

make_files
server_versions mtime
settle
to_the_kernel
from_the_kernel
other_keys
changed
just_now
no_version
no_versions
mistakes
finish
