#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# cuts.sh - crashes by the hundred: what the cache's disk may look like after a power cut, or after
# the machine was killed, at many moments of one recording; and from none of it comes a wrong byte.
#
#	cuts.sh [OPTION...] KERNEL PROTOCOL CUTS KILLS
#
# --stock --module FILE --parameters TEXT --cache ext4|xfs|btrfs	as for run.sh
# --seed N		of the first recording
# --steps N		how much is done in each one (200)
# --state FILE		what was done before counts
# --strict		what was changed unseen (guest/churn.c) must be forgotten when the server
#			has the change; without, when who made it was told that it has
# --control		wrong bytes must be found, or it fails
# --keep FOLDER		the disks of a recording after which bytes were wrong (.../wrong)
#
# A recording (guest/record.sh) is one boot; up to 100 crashes made of it (cut.py) are tried in
# another (guest/cuts.sh). The server has gone on meanwhile to where the recording ended: what the client
# shows is that, or it should have noticed. Some of it must come from the cache.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/ceph.sh"

stock='' module='' parameters='' control='' marks=told filesystem=ext4 steps=200 state='' keep=''
seed=$(date +%s)
while [ $# -gt 4 ]; do
	case $1 in
	--stock) stock=--stock ;;
	--module) module=$2 && shift ;;
	--parameters) parameters=$2 && shift ;;
	--strict) marks=there ;;
	--control) control=1 ;;
	--cache) filesystem=$2 && shift ;;
	--seed) seed=$2 && shift ;;
	--steps) steps=$2 && shift ;;
	--state) state=$2 && shift ;;
	--keep) keep=$2 && shift ;;
	*) die "no such option: $1" ;;
	esac
	shift
done
[ $# = 4 ] || die "usage: cuts.sh [OPTION...] KERNEL PROTOCOL CUTS KILLS"
kernel=$1 protocol=$2 cuts=$3 kills=$4
need python3 mkfs.ext4 mkfs.xfs
[ "$filesystem" != btrfs ] || need mkfs.btrfs
case $kernel-$cuts in
uml*-0) ;;
uml*) die "UML's disk loses flushes: there are only kills" ;;
esac

boot() { # OPTION... SCRIPT ARGUMENT...
	sh "$here/run.sh" $stock ${module:+--module "$module"} ${parameters:+--parameters "$parameters"} \
		--keep "$machine" --timeout 1500 "$@" >"$tmp/out" 2>&1
	status=$?
	[ $status != 77 ] || { cat "$tmp/out" && exit 77; }
	# (which the first boot has built)
	built=${FSC_BUILD:-$here/../../build}/module-$kernel/libfscache.ko
	[ -n "$stock$module" ] || [ ! -f "$built" ] || module=$built
}

make_filesystem() { # FILE
	case $filesystem in
	ext4)
		truncate -s 64M "$1"
		mkfs.ext4 -q -F -b "$block" -E lazy_itable_init=0,lazy_journal_init=0 "$1"
		;;
	xfs)
		truncate -s 300M "$1"
		mkfs.xfs -q -f -s size=4096 "$1"
		;;
	btrfs)
		truncate -s 160M "$1"
		mkfs.btrfs -q -f "$1" >/dev/null
		;;
	*) die "the cache lies on ext4, xfs or btrfs" ;;
	esac
}

# Small: a log that is full again and again; sometimes with xattrs that hold little. Its last MiB is
# for marks.
make_base() {
	block=4096
	[ $((seed % 4)) != 1 ] || block=1024
	rm -rf "$machine"
	mkdir -p "$machine"
	make_filesystem "$tmp/base" || die "no filesystem"
	truncate -s +1M "$tmp/base"
	cp --sparse=always "$tmp/base" "$machine/cache.img" || die "no disk"
}

record() {
	make_base
	boot --log "$tmp/log" "$kernel" "$here/guest/record.sh" "$protocol" "$seed" "$steps"
	[ $status = 0 ] || {
		cat "$tmp/out"
		die "recording $seed: status $status"
	}
	python3 "$here/cut.py" many "$tmp/disk" "$tmp/base" "$tmp/log" "$seed" "$some_cuts" "$some_kills" \
		"$marks" ||
		die "recording $seed: no disk was made"
	mv "$tmp/disk" "$machine/cache.img"
}

# How many of the crashes that were tried are of KIND, and what they read of the cache.
tried_of() { # KIND
	grep -c "tried .*, $1 at" "$tmp/out"
}

try_all() {
	boot --cpus 1 "$kernel" "$here/guest/cuts.sh" "$protocol"
	reads=$(sed -n 's/.* tried .*: \([0-9]*\) reads of the cache.*/\1/p' "$tmp/out" |
		awk '{sum += $1; some += $1 > 0} END {print sum + 0, some + 0}')
	served=${reads#* } reads=${reads% *}
	[ "$status/$(tried_of cut)/$(tried_of killed)" != "0/$some_cuts/$some_kills" ] || return 0
	cat "$tmp/out"
	[ -z "$control" ] || ! grep -q '^FAIL: .* differ:' "$tmp/out" || found
	[ -z "$keep" ] ||
		{ rm -rf "$keep" && mv "$machine" "$keep" && mv "$tmp/log" "$tmp/base" "$keep/"; }
	die "recording $seed: status $status, $(tried_of cut) cuts and $(tried_of killed) kills tried"
}

found() {
	echo "recording $seed: found, as it should be"
	exit 0
}

done_before() { # which adds them up: cuts, kills, reads, and crashes with some
	awk '{c += $2; k += $3; r += $4; s += $5} END {print c + 0, k + 0, r + 0, s + 0}' "$state"
}

fewer() { # NUMBER LIMIT
	[ "$1" -lt "$2" ] && echo "$1" || echo "$2"
}

make_tmp
machine=$tmp/machine
[ "$protocol" != ceph ] || ceph_for_all "$tmp/ceph"
[ -n "$state" ] || state=$tmp/state
touch "$state" || die "no state"
while read -r done_cuts done_kills all_reads all_served <<END
$(done_before)
END
	[ "$done_cuts" -lt "$cuts" ] || [ "$done_kills" -lt "$kills" ]; do
	some_cuts=$(fewer $((cuts - done_cuts)) 50)
	some_kills=$(fewer $((kills - done_kills)) 50)
	seed=$((seed + 1))
	record
	try_all
	echo "$seed $some_cuts $some_kills $reads $served" >>"$state"
	echo "recording $seed: $some_cuts cuts, $some_kills kills; $served of them read from the cache"
done
# (a cache that is always empty afterwards has nothing wrong in it)
[ -n "$stock" ] || [ $((all_served * 2)) -gt $((done_cuts + done_kills)) ] ||
	die "too little was kept: only $all_served caches had anything"
[ -z "$control" ] || die "nothing was found"
echo "$done_cuts cuts, $done_kills kills, $kernel, $protocol, $filesystem: only the server's bytes," \
	"$all_reads reads of the cache, in $all_served of them"
