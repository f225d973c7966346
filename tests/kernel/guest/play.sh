# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# play.sh PROTOCOL [STEPS [SEED]] - four players (play.c) at once, whose files come from the cache,
# the server and memory in turns. Some of the reads must have come from the cache.
# shellcheck shell=sh

. /guest/lib.sh

steps=${2:-2000} seed=${3:-1}
say "$steps steps, seed $seed"
serve "$1"
cache_up
mount_cached
# NFS looks at each open whether the server has changed. (Ceph should be told; but with what another
# client has appended, reads come back short there, be the mount cached or not.)
below=-
[ "$protocol" != nfs ] || below=$served
players=
for number in 1 2 3 4; do
	play /mnt $below "p$number" "$steps" $((seed * 4 + number)) >"/tmp/play.$number" 2>&1 &
	players="$players $!"
done
(
	while usleep 700000; do
		echo 3 >/proc/sys/vm/drop_caches
	done
) &
dropper=$!
for player in $players; do
	wait "$player" || failed=1
done
kill $dropper
cat /tmp/play.*
sync
forget
compare_all "at the end"
say "$(cache_reads) reads of the cache, $(cache_writes) writes"
[ "$(cache_reads)" -gt 0 ] || fail "nothing was read from the cache"
umount /mnt
cache_down
finish
