#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# unmount.sh - on each filesystem for real: right after the client has ended the cache's filesystem
# can be unmounted, and what comes back with it is served.

. "$(dirname "$0")/lib.sh"
setup

make_files() {
	random_file "$export/file" 20000001
	mkdir "$export/tree"
	i=0
	while [ $i -lt 100 ]; do
		random_file "$export/tree/$i" 5000
		i=$((i + 1))
	done
}

unmount() {
	umount "$tmp/disk" 2>"$tmp/umount.err" || wrong "$(cat "$tmp/umount.err")"
}

mount_again() {
	mount -o loop "$tmp/disk.image" "$tmp/disk" || die "mount"
}

on() { # WHAT IMAGE-SIZE MKFS...
	what=$1 image_size=$2
	shift 2
	mounted disk "$image_size" "$@"
	cache=$tmp/disk/cache
	begin "$what: filled, and unmounted"
	cold file
	quiet
	unmount
	mount_again
	begin "$what: what was there before"
	warm file
	unmount
	mount_again
	begin "$what: a tree"
	client warm tree
	status_is 0
	unmount
	mount_again
	client warm tree
	status_is 0
	stat_is server_reads 0
	cat_right tree/99
	stat_is server_reads 0
	unmount
	mount_again
	verified
	verified_is complete 101
	verified_is unbelieved 0
	unmount
}

make_files
server_diod
settle
on ext4 200M mkfs.ext4 -q
on 'ext4 without a journal' 200M mkfs.ext4 -q -O ^has_journal
on 'ext4 with blocks of 1 KiB' 200M mkfs.ext4 -q -b 1024
on XFS 320M mkfs.xfs -q
on btrfs 256M mkfs.btrfs -q
finish
