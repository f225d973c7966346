#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# both.sh - one cache for both worlds: fsc9p --like-kernel fills it and the kernel's 9p reads from it,
# and the other way round; nothing comes from the server, by its own count.
#
#	both.sh BUILD-FOLDER [--cache ext4|ext4-nojournal|xfs] KERNEL
#
# First both in one guest (guest/both.sh), with a server that both can connect to. Then, on 6.1 and
# 6.12, with QEMU's own server, which only guests can: fsc9p warms the disk here, from another
# server of the same files, before the machine is started (guest/both_qemu.sh), and afterwards
# reads what the machine has put there. That takes root, diod and a loop device.
# shellcheck disable=SC2154 # set by what is sourced

. "$(dirname "$0")/../e2e/lib.sh"
shift
here=$e2e filesystem=ext4
[ "$1" != --cache ] || {
	filesystem=$2
	shift 2
}
kernel=$1

boot() { # SCRIPT OPTION...
	script=$here/guest/$1.sh
	shift
	sh "$here/run.sh" --timeout 1500 "$@" "$kernel" "$script"
	status=$?
	[ $status != 77 ] || skip "no such guest"
	[ $status = 0 ] || die "${script##*/}: status $status"
}

# (A kind that run.sh doesn't know is made here.)
make_image() { # FILE
	truncate -s 512M "$1"
	case $filesystem in
	ext4-nojournal) mkfs.ext4 -q -F -O ^has_journal "$1" ;;
	ext4) mkfs.ext4 -q -F "$1" ;;
	*) "mkfs.$filesystem" -q -f "$1" ;;
	esac || die "mkfs: $filesystem"
}

in_one_guest() {
	mkdir "$tmp/one"
	make_image "$tmp/one/cache.img"
	boot both --keep "$tmp/one" --with "$program" --with "$build/tests/9p/p9-server"
}

# --- With QEMU's server ----------------------------------------------------------------------

make_files() {
	mkdir -p "$export/deep/er"
	for size in 1 4095 4096 4097 300001 3000000; do
		random_file "$export/size-$size" "$size"
		touch -d "@$((1500000000 + size))" "$export/size-$size"
	done
	random_file "$export/deep/er/one" 70000
	random_file "$export/changes" 20000
	touch -d @1600000000 "$export/deep/er/one" "$export/changes"
}

# As the guest mounts it: mount_cached in guest/lib.sh.
host_client() { # FOLDER COMMAND...
	cache=$tmp/disk/$1
	shift
	client --like-kernel cached --cachetag guest --qids "$qids" "$@"
}

read_all() { # FOLDER
	rm -rf "$tmp/copy"
	host_client "$1" get -r / "$tmp/copy"
	status_is 0
	diff -r "$export" "$tmp/copy" >"$tmp/differ" || wrong "$(head -n 5 "$tmp/differ")"
}

mount_disk() {
	mount -o loop "$machine/cache.img" "$tmp/disk" >"$tmp/mount.log" 2>&1
}

unmount_disk() {
	! mountpoint -q "$tmp/disk" || umount "$tmp/disk"
}

with_qemu() { # MULTIDEVS QIDS
	machine=$tmp/machine-$1 export=$tmp/machine-$1/share qids=$2
	mkdir -p "$export" "$tmp/disk"
	make_files
	make_image "$machine/cache.img"
	mount_disk || skip "mount: $(tail -n 1 "$tmp/mount.log")"
	mkdir "$tmp/disk/warmed" "$tmp/disk/filled"
	server_diod
	settle
	begin "$2: warmed here"
	host_client warmed warm /
	status_is 0
	quiet
	unmount_disk || die "umount"
	boot both_qemu --keep "$machine" --multidevs "$1"
	mount_disk || die "mount: $(tail -n 1 "$tmp/mount.log")"
	settle
	begin "$2: filled by the guest"
	read_all filled
	stat_is server_reads 0
	begin "$2: warmed here, changed and read in the guest"
	read_all warmed
	stat_is server_reads 0
	unmount_disk || die "umount"
	stop_server
}

need mkfs.ext4 mkfs.xfs
setup
at_exit unmount_disk
in_one_guest
case $kernel in
uml*) finish ;;
esac
[ "$(id -u)" = 0 ] || skip "mounting needs root"
with_qemu remap qemu-remap
with_qemu warn qemu
finish
