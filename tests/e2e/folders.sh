#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# folders.sh - cache folders that can't be used, or only in part: one warning at most, and the
# server's bytes all the same.

. "$(dirname "$0")/lib.sh"
setup
[ "$(id -u)" = 0 ] || skip "mounting and changing users needs root"
need setpriv

make_files() {
	for file in a b c changing; do
		random_file "$export/$file" 3000001
	done
	random_file "$export/large" 30000001
	mkdir "$export/tree"
	i=0
	while [ $i -lt 300 ]; do
		random_file "$export/tree/$i" 20000
		i=$((i + 1))
	done
}

listing() { # FOLDER
	find "$1" -printf '%P %y %s %m %U %T@\n' | sort
}

not_permitted() {
	begin "a folder that can't be made"
	prefix=$nobody
	mkdir -m 755 "$tmp/roots"
	cache=$tmp/roots/cache
	uncached a
	begin "a folder that isn't ours, and can't be written to"
	mkdir -m 755 "$tmp/roots/others"
	cache=$tmp/roots/others
	uncached a
	begin "a folder that isn't ours, though anybody may write to it"
	mkdir -m 777 "$tmp/roots/open"
	cache=$tmp/roots/open
	uncached a
	prefix=
	begin "a folder of somebody else's, and we are root"
	mkdir -m 755 "$tmp/nobodys"
	chown 65534:65534 "$tmp/nobodys"
	cache=$tmp/nobodys
	uncached a
	begin "a folder of our own, and we are not root"
	prefix=$nobody
	cold a
	warm a
	prefix=
	verified
	verified_is complete 1
}

no_cache_at_all() {
	begin "a folder that holds something else"
	mkdir "$tmp/full-of-other-things"
	cache=$tmp/full-of-other-things
	echo precious >"$cache/precious"
	listing "$cache" >"$tmp/before"
	uncached a
	listing "$cache" >"$tmp/after"
	diff "$tmp/before" "$tmp/after" || wrong "the folder was changed"
	begin "a folder with something of another kind called super"
	rm "$cache/precious"
	head -c 4096 /dev/zero >"$cache/super"
	uncached a
	cmp -n 4096 "$cache/super" /dev/zero || wrong "super was changed"
	begin "a folder with a folder called super"
	rm "$cache/super"
	mkdir "$cache/super"
	uncached a
	begin "a file in the folder's place"
	cache=$tmp/a-file
	echo precious >"$cache"
	uncached a
	same "the file" "$(cat "$tmp/a-file")" precious
	begin "a file in the place of a folder above"
	cache=$tmp/a-file/cache
	uncached a
}

full_ext4() {
	begin "a file larger than the cache's filesystem"
	mounted small 16M mkfs.ext4 -q
	cache=$tmp/small/cache
	cat_right large
	stat_is server_read_bytes 30000001
	cat_right large
	cat_right a
	verified
	begin "ext4 without a free block"
	rm -rf "$cache"
	cold a
	warm a
	cat /dev/zero >"$tmp/small/filler" 2>/dev/null
	cat_right b
	verified
	cat_right a
	cat_right changing
	verified
	begin "ext4 without a free block, from the beginning"
	rm -rf "$cache"
	cat /dev/zero >"$tmp/small/filler2" 2>/dev/null
	cat_right a
	few_lines
	begin "ext4 without a free inode"
	rm -f "$tmp/small/filler" "$tmp/small/filler2"
	rm -rf "$cache"
	cold a
	(
		mkdir "$tmp/small/inodes"
		i=0
		while : >"$tmp/small/inodes/$i"; do i=$((i + 1)); done
	) 2>/dev/null
	cat_right b
	cat_right a # culled, maybe: too few inodes are free
	verified
	umount "$tmp/small" || wrong "umount"
}

# A full XFS refuses new xattr values too.
full_xfs() {
	begin "XFS without a free block"
	mounted xfs 320M mkfs.xfs -q
	cache=$tmp/xfs/cache
	cold a
	cold changing
	client warm tree
	status_is 0
	fill_up "$tmp/xfs"
	cat_right b
	few_lines
	verified
	cat_right a
	verified
	begin "XFS without a free block, and a file that changed"
	random_file "$export/changing" 3000001
	cat_right changing
	cat_right changing
	verified
	begin "XFS without a free block: more of a file of which there was a part"
	rm -rf "$tmp"/xfs/filler*
	client cat --offset 0 --length 4096 c
	status_is 0
	fill_up "$tmp/xfs"
	cat_right c
	cat_right c
	verified
	begin "XFS with room again"
	rm -rf "$tmp"/xfs/filler*
	cat_right b
	warm b
	cat_right c
	warm c
	verified
	umount "$tmp/xfs" || wrong "umount"
}

# Said at each doubling, not for each file.
few_lines() {
	[ "$(wc -l <"$tmp/err")" -le 12 ] || wrong "$(wc -l <"$tmp/err") lines were said"
}

# To the last block, by files that grow smaller.
fill_up() { # FOLDER
	for fsc_size in 1M 64K 4K; do
		dd if=/dev/zero of="$1/filler-$fsc_size" bs=$fsc_size 2>/dev/null
	done
	mkdir "$1/filler-small"
	(
		i=0
		while echo x >"$1/filler-small/$i" && [ $i -lt 20000 ]; do i=$((i + 1)); done
	) 2>/dev/null
	sync -f "$1"
}

tmpfs() {
	begin "tmpfs"
	mkdir "$tmp/tmpfs"
	mount -t tmpfs -o size=64M fsc-test "$tmp/tmpfs" 2>/dev/null || return
	at_exit "mountpoint -q '$tmp/tmpfs' && umount -l '$tmp/tmpfs'"
	cache=$tmp/tmpfs/cache
	cat_right large
	if stat_is_zero cache_write_bytes; then
		# a kernel whose tmpfs has no user xattrs
		one_warning
	else
		quiet
		warm large
		verified
		begin "a full tmpfs"
		cat /dev/zero >"$tmp/tmpfs/filler" 2>/dev/null
		cat_right a
		cat_right large # culled, maybe: too few blocks are free
		verified
	fi
	umount "$tmp/tmpfs" || wrong "umount"
}

stat_is_zero() {
	[ "$(stat_of "$1")" = 0 ]
}

no_user_xattrs() {
	begin "a filesystem without user xattrs"
	mkdir "$tmp/ramfs"
	mount -t ramfs fsc-test "$tmp/ramfs" 2>/dev/null || return
	at_exit "mountpoint -q '$tmp/ramfs' && umount -l '$tmp/ramfs'"
	cache=$tmp/ramfs/cache
	uncached a
	umount "$tmp/ramfs" || wrong "umount"
}

read_only() {
	begin "a read-only filesystem"
	mounted ro 64M mkfs.ext4 -q
	cache=$tmp/ro/cache
	cold a
	warm a
	mount -o remount,ro "$tmp/ro"
	uncached a
	begin "a read-only filesystem, and no cache there"
	cache=$tmp/ro/other
	uncached a
	cache=$tmp/ro/cache
	mount -o remount,rw "$tmp/ro"
	begin "writable again"
	warm a
	verified
	umount "$tmp/ro" || wrong "umount"
}

make_files
server_diod
settle
not_permitted
no_cache_at_all
full_ext4
full_xfs
tmpfs
no_user_xattrs
read_only
finish
