#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# crash.sh - a machine that uses the cache is cut off, again and again: what it finds in the cache
# afterwards is the server's bytes or nothing.
#
#	crash.sh [--stock] [--cut] [--cache ext4|xfs|btrfs] [--seed N] KERNEL PROTOCOL ROUNDS
#
# Each round boots with the disks of the last (guest/crash.sh), and ends by kill -9. With --cut
# (not UML) the cache's disk then loses writes that came after its last flush, as by a power cut
# (cut.py). Server and network are the same machine's, but its disk loses nothing that it promised to keep.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/ceph.sh"

stock='' cut='' filesystem=ext4 seed=$(date +%s)
while [ $# -gt 3 ]; do
	case $1 in
	--stock) stock=--stock ;;
	--cut) cut=1 ;;
	--cache) filesystem=$2 && shift ;;
	--seed) seed=$2 && shift ;;
	*) die "no such option: $1" ;;
	esac
	shift
done
[ $# = 3 ] || die "usage: crash.sh [OPTION...] KERNEL PROTOCOL ROUNDS"
kernel=$1 protocol=$2 rounds=$3
[ -z "$cut" ] || need python3

# The disk as it was, and what reached it, make the disk as it could be. (They also make the disk
# as it is: cuts.sh makes of logs what kills leave.)
lose_power() {
	cp --sparse=always "$tmp/before.img" "$tmp/logged.img" || die "no space"
	python3 "$here/cut.py" same "$tmp/machine/cache.img" "$tmp/logged.img" "$tmp/log" ||
		die "seed $seed: the log doesn't make what the kill has left"
	python3 "$here/cut.py" last "$tmp/before.img" "$tmp/log" "$seed" || die "no log"
	mv "$tmp/before.img" "$tmp/machine/cache.img"
}

boot() { # OPTION...
	# shellcheck disable=SC2086 # words
	sh "$here/run.sh" $stock --cache "$filesystem" --keep "$tmp/machine" --kill CUT "$@" \
		"$kernel" "$here/guest/crash.sh" "$protocol" "$seed" >"$tmp/out" 2>&1
	status=$?
	cat "$tmp/out"
	[ $status = 77 ] && [ $round = 0 ] && skip "no such guest"
	[ $status = 137 ] || die "seed $seed: status $status"
	reads=$((reads + $(sed -n 's/.* \([0-9]*\) reads of the cache$/\1/p' "$tmp/out" |
		awk '{ sum += $1 } END { print sum + 0 }')))
	[ "$protocol" != ceph ] || ceph_forget_clients
}

make_tmp
[ "$protocol" != ceph ] || ceph_for_all "$tmp/ceph"
round=0 reads=0
while [ $round -lt "$rounds" ]; do
	if [ -n "$cut" ] && [ -f "$tmp/machine/cache.img" ]; then
		cp --sparse=always "$tmp/machine/cache.img" "$tmp/before.img" || die "no space"
		boot --log "$tmp/log"
		lose_power
	else
		boot
	fi
	round=$((round + 1))
	seed=$((seed + 1))
done
# (a cache that is always empty afterwards has nothing wrong in it)
[ -n "$stock" ] || [ "$rounds" -lt 5 ] || [ "$reads" -gt 0 ] || die "never was anything kept"
echo "$rounds rounds, $kernel, $protocol, $filesystem${cut:+, writes lost}: only the server's bytes," \
	"$reads reads of the cache"
