# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# record.sh PROTOCOL SEED STEPS - what ../cuts.sh logs the writes of: a cache that is filled,
# emptied, culled and unmounted under, until the server is left as it is.
# shellcheck shell=sh

. /guest/lib.sh
. /guest/device.sh

seed=$2 steps=$3
marks=/dev/$cache_disk
names='a b c'

round() { # NUMBER: of one mount
	mount_cached
	workers=
	for name in $names; do
		churn run "$served" "$name" $((seed * 10 + $1)) "$kind" /mnt "$marks" "$steps" &
		workers="$workers $!"
	done
	for worker in $workers; do
		wait "$worker" || fail "churn has failed"
	done
	umount /mnt || die "can't unmount"
	forget
	[ "$kind" != time ] || for name in $names; do
		churn below "$served" "$name" $((seed * 10 + $1 + 5)) "$kind" ||
			fail "churn has failed"
	done
}

serve "$1"
kind=$(notices)
for name in $names; do
	churn setup "$served" "$name" "$seed" "$kind" || die "no files"
done
sync
mount_cache_disk
load_module
# A budget for less than all of it, every other time.
bind_device $((seed % 2 * 1500000))
churn mark "$marks" start
(
	while usleep 2500000; do
		echo 3 >/proc/sys/vm/drop_caches
	done
) &
dropper=$!
for number in 1 2 3; do
	round $number
done
kill $dropper
say "$(cache_reads) reads of the cache, $(cache_writes) writes"
[ "$(cache_reads)" -gt 0 ] || fail "nothing was read from the cache"
leave_served
unbind_device
wait_until 60 umount /cache || fail "the cache's disk is still in use"
sync
finish
