#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# full.sh - the cache's disk is full: a client goes through several times of what fits, with culling
# and with nothing that can be culled, and somebody else takes the rest of the disk away. No read
# fails, no byte is wrong, while it runs or afterwards.
#
#   full.sh BUILD FS [--seed N] [--planted]
#
# --planted: a client that doesn't hear of writes that failed, which must be caught.

. "$(dirname "$0")/lib.sh"
arguments "$@"
control deaf
setup

case $fs in
ext4*) size=16M files=400 max=2097152 seconds=4 ;;
xfs) size=300M files=2400 max=4000000 seconds=8 ;;
btrfs) size=128M files=1000 max=4000000 seconds=6 ;;
esac

full_run() { # WHAT OPTION...
	what=$1
	shift
	"$program" run "$journal" "$cache" --seed "$seed" --files "$files" --max-size "$max" \
		--pace 0 --seconds "$seconds" ${planted:+--planted "$planted"} "$@" \
		>"$tmp/run.out" 2>"$tmp/run.err"
	status=$?
	[ "$status" = 0 ] || {
		fail "$what: status $status"
		head -n 20 "$tmp/run.out" "$tmp/run.err"
	}
	grep -q '^online=1' "$tmp/run.out" || fail "$what: the cache was withdrawn"
	verified --seed "$seed" --compact --account || bad "$what"
	sed -n "s/^online/$fs: $what: online/p" "$tmp/run.out"
}

bad() { # WHERE
	caught=$((caught + 1))
	[ -z "$planted" ] || return 0
	fail "$1: something wrong is in the cache"
	said
}

of_the_run() { # NAME
	sed -n "s/^online.* $1=\([0-9]*\).*/\1/p" "$tmp/run.out"
}

# Takes all there is, gives it back, takes it again.
crowd_out() {
	for fsc_i in 1 2 3; do
		dd if=/dev/zero of="$mnt/other" bs=64k 2>/dev/null
		dd if=/dev/zero of="$mnt/other2" bs=4k 2>/dev/null
		sleep 0.5
		rm -f "$mnt/other" "$mnt/other2"
		sleep 0.2
	done
}

make_image "$size"
mount_or_skip
make_cache
full_run "culling"
[ "$(of_the_run culled)" -gt 0 ] || fail "nothing was culled"
full_run "nothing to be culled" --hold
make_cache
rm -f "$journal"
full_run "to the last block" --hold --limits 2,1,0
[ -n "$planted" ] || [ "$(of_the_run no_space)" -gt 0 ] ||
	fail "the disk was never full"
crowd_out &
crowd=$!
full_run "with others on the disk" --limits 2,1,0
wait "$crowd"
umount "$mnt" || fail "umount"
mount_or_skip
verified --seed "$seed" || bad "mounted again"
[ -z "$planted" ] || was_caught "$caught times"
echo "full $fs: seed $seed, $(totals)"
finish
