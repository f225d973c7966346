#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# filesystems.sh - the conformance suite of backends/uring on a filesystem of its own.
#
#   filesystems.sh ext4|ext4-nojournal|xfs|btrfs|tmpfs BUILD
#
# The filesystem is made in an image and mounted through a loop device, which needs root.

. "$(dirname "$0")/lib.sh"
kind=$1 build=$2
program=$build/tests/backend/run_uring

[ -x "$program" ] || die "$program is not there"
[ "$(id -u)" = 0 ] || skip "mounting needs root"
make_tmp
image=$tmp/image
mounted=$tmp/mnt
mkdir "$mounted"

make_image() { # SIZE COMMAND...
	need "$2"
	truncate -s "$1" "$image"
	shift
	"$@" "$image" >"$tmp/log" 2>&1 || {
		cat "$tmp/log"
		die "$*"
	}
}

case $kind in
ext4) make_image 256M mkfs.ext4 -q && promises=ordered ;;
ext4-nojournal) make_image 256M mkfs.ext4 -q -O ^has_journal && promises=volatile ;;
xfs) make_image 300M mkfs.xfs -q && promises=ordered ;;
btrfs) make_image 256M mkfs.btrfs -q && promises=strict ;;
tmpfs) promises=volatile ;;
*) die "no such kind: $kind" ;;
esac

if [ "$kind" = tmpfs ]; then
	mount -t tmpfs -o size=256M,mode=0755 fsc-test "$mounted" >"$tmp/log" 2>&1
else
	mount -o loop "$image" "$mounted" >"$tmp/log" 2>&1
fi || skip "mount: $(tail -n 1 "$tmp/log")"
at_exit 'mountpoint -q "$mounted" && umount -l "$mounted"'

"$program" "$mounted" >"$tmp/out" 2>&1
status=$?
cat "$tmp/out"
[ "$status" = 77 ] && exit 77
[ "$status" = 0 ] || fail "$program, status $status"
grep -q "/direct\.[^ ]*: $promises on ${kind%-*}, direct I/O" "$tmp/out" ||
	fail "the backend doesn't say that $kind is $promises"
# Nothing keeps the filesystem busy once the program has ended.
umount "$mounted" || fail "can't be unmounted right after"
finish
