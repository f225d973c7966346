#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount_like_kernel.sh - a mount whose cache is shared with Linux's own 9p (--like-kernel): each finds
# what the other has read; and while it is up, a mount sees more changes than versions tell.

. "$(dirname "$0")/mount_lib.sh"
setup_mounts
[ "$kind" = 9p ] || skip "only 9P has this"
peer=$build/tests/e2e/peer

make_files() {
	mkdir "$export/folder"
	random_file "$export/one" 100001
	random_file "$export/two" 5000000
	random_file "$export/folder/three" 30000
	touch -d @1500000000 "$export/one" "$export/two" "$export/folder/three"
}

lacks() { # BYTES: of all files in the cache of a, as the other one looks for them
	fsc_lacked=$("$peer" "$tmp/cache-a" '9p,there,tag' "$export/one" "$export/two" \
		"$export/folder/three" 2>"$tmp/err") || wrong "the other finds wrong bytes"
	[ "$fsc_lacked" = "$1" ] || wrong "the other lacks $fsc_lacked bytes, not $1"
}

scenario() {
	make_files
	server_versions mtime
	settle
	stage "read by a mount"
	up a --like-kernel there --cachetag tag
	same_tree a
	down a
	lacks 0
	stage "read by the other"
	rm -rf "$tmp/cache-a"
	mkdir "$tmp/cache-a"
	lacks 5130001
	up a --like-kernel there --cachetag tag
	counting a
	same_tree a
	came a 0
	stage "changed without another size or time"
	random_file "$export/one" 100001
	touch -d @1500000000 "$export/one"
	same_file a one
	down a
	stage "changed while nobody looks"
	random_file "$export/two" 5000000
	touch -d @1500000001 "$export/two"
	up a --like-kernel there --cachetag tag
	same_tree a
	down a
	stop_server
}

each_mode scenario cached through
finish
