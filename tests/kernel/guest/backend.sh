# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# backend.sh FILESYSTEM PROMISE - the conformance suite on the kernel's backend, with the cache's
# disk of that filesystem; what else it leaves undone would show when freezing, unmounting and
# unloading. PROMISE is what is to be said of the server's disk. For tests/kernel/backend.sh.
# shellcheck shell=sh

. /guest/lib.sh
cache_kind=$1 server_promise=$2

judged() { # PROMISE DEVICE KIND OPTIONS
	mount -t "$3" -o "$4" "/dev/$2" /mnt || die "can't mount $2 with $4"
	echo "judge $*" >/dev/kmsg
	insmod /guest/libfscache.ko dir=/mnt kinds=1 && rmmod fsc_backend_test ||
		fail "$3 with $4 can't be a cache"
	umount /mnt || fail "the disk is still in use"
	dmesg | sed -n "/judge $*\$/,\$p" | grep -q "libfscache: /: $1 on" || {
		fail "$3 with $4 is not judged $1"
		dmesg | grep libfscache
	}
}

suite() {
	insmod /guest/libfscache.ko dir=/cache && rmmod fsc_backend_test
}

for needed in $guest_depends; do
	modprobe "$needed"
done
mount -t "$cache_kind" "/dev/$cache_disk" /cache || die "no disk for the cache"
for limit in unlimited 1; do
	say "limit of file sizes: $limit"
	(
		ulimit -f $limit
		suite
	) || fail "the suite"
	dmesg | grep -E 'libfscache: (conformance|own):' | tail -n 40
done
(
	fsfreeze --freeze /cache && touch /tmp/frozen
) &
wait_until 60 test -e /tmp/frozen || {
	echo "FAIL: something holds off freezing"
	echo "guest: ended with 1"
	poweroff -n -f # a sync would hang
}
fsfreeze --unfreeze /cache
# (the file is what its test of the lock leaves)
rmdir /cache/lost+found 2>/dev/null
[ "$(ls /cache)" = lock ] || fail "it left something: $(ls /cache)"

# By opening it room can be made.
dd if=/dev/zero of=/cache/full bs=1M 2>/dev/null
dd if=/dev/zero of=/cache/fuller bs=4k 2>/dev/null
insmod /guest/libfscache.ko dir=/cache kinds=1 && rmmod fsc_backend_test ||
	fail "a full disk can't be opened"
dmesg | grep libfscache: | tail -n 1
rm /cache/full /cache/fuller
umount /cache || fail "the disk is still in use"

judged ordered "$cache_disk" "$cache_kind" rw
if [ "$cache_kind" = ext4 ]; then
	judged strict "$cache_disk" ext4 nobarrier
	judged strict "$cache_disk" ext4 data=journal
	judged strict "$cache_disk" ext4 data=writeback,journal_async_commit
	judged ordered "$cache_disk" ext4 data=writeback
fi
judged "$server_promise" "$server_disk" ext4 rw
finish
