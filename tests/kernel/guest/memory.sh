# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# memory.sh PROTOCOL - what the module remembers of files that nobody uses is given back when memory is
# wanted; and of a file that is cut by name then, nothing old is read.
# shellcheck shell=sh

. /guest/lib.sh
. /guest/files.sh

ctimes() {
	sed -n 's/^ctimes //p' /proc/fs/libfscache/stats
}

nobody_uses() {
	grep -q '^LRU .* n=0 ' /proc/fs/fscache/stats
}

serve "$1"
make_files 1
mkdir -p "$served/lots"
io many "$served/lots" 1500 4096 7 >/dev/null
cache_up
mount_cached
# Its inode stays, whatever is forgotten.
touch /tmp/pinned
mount -o bind /mnt/size-65536 /tmp/pinned || die "can't pin a file"
compare_all cold
settle
wait_until 60 nobody_uses || fail "files are still in use"
before=$(ctimes)
[ "$before" -gt 1500 ] || fail "of 1500 files $before are remembered"
echo 3 >/proc/sys/vm/drop_caches
after=$(ctimes)
say "remembered: $before, after memory was wanted: $after"
[ "$after" -lt 150 ] || fail "$after of $before are still remembered"
io cut /mnt/size-65536 4096 65536
sync
echo 1 >/proc/sys/vm/drop_caches
compare_all "cut and grown by name"
umount /tmp/pinned || fail "can't let go of the file"
settle
remount
compare_all "once more"
settle
remount
compare_all_cached "warm"
umount /mnt
cache_down
finish
