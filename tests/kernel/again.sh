#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# again.sh - the machine is booted again with the same disks: what was in the cache still is, and
# what has changed meanwhile is not believed.
#
#	again.sh [--stock] [--cache ext4|xfs|btrfs] KERNEL PROTOCOL

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/ceph.sh"

stock='' filesystem=ext4
while [ $# -gt 2 ]; do
	case $1 in
	--stock) stock=--stock ;;
	--cache) filesystem=$2 && shift ;;
	*) die "no such option: $1" ;;
	esac
	shift
done
[ $# = 2 ] || die "usage: again.sh [--stock] [--cache ext4|xfs|btrfs] KERNEL PROTOCOL"

boot() { # WANTED-STATUS OPTION... -- PHASE
	wanted=$1
	shift
	options=
	while [ "$1" != -- ]; do
		options="$options $1"
		shift
	done
	# shellcheck disable=SC2086 # words
	sh "$here/run.sh" $stock --cache "$filesystem" --keep "$tmp/machine" $options \
		"$kernel" "$here/guest/again.sh" "$protocol" "$2"
	status=$?
	[ $status = 77 ] && [ "$2" = fill ] && skip "no such guest"
	[ $status = "$wanted" ] || die "$2: status $status"
	[ "$protocol-$status" != ceph-137 ] || ceph_forget_clients
}

kernel=$1 protocol=$2
make_tmp
[ "$protocol" != ceph ] || ceph_for_all "$tmp/ceph"
boot 0 -- fill
boot 0 -- warm
boot 0 -- changed
rm "$tmp/machine/cache.img" # to be filled by the next
boot 137 --kill CUT -- killed
boot 0 -- kept
finish
