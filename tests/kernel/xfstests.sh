#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# xfstests.sh - the generic part of xfstests on cached NFS or AFS with our module; what fails is tried
# with the kernel's own cachefiles: what passes there must pass with ours.
#
#	xfstests.sh [OPTION...] KERNEL XFSTESTS [TEST...]
#
# --protocol nfs|afs	(nfs)
# --keep FOLDER		results and logs go there; what has a result there already is not run again
# --stock		all with cachefiles, and nothing with our module
# --limit SECONDS	of one test (300); what takes longer is ended, and counts as failed
# --timeout SECONDS	after these no other tests are begun (10800)
# --chunk TESTS		in one guest (20); what one that hangs or dies doesn't tell is asked of the next
#
# XFSTESTS is a built tree, as for tests/xfstests.sh; nothing is written to it. TEST is generic/NNN;
# without any, those of the group quick, but for groups ($never) that no network filesystem can
# run. The guest's userspace is a Debian (debian.sh).

. "$(dirname "$0")/../lib.sh"
source=$(cd "$(dirname "$0")/../.." && pwd)
. "$source/tests/kernel/lib.sh"
. "$source/tests/kernel/debian.sh"

never='casefold clone dax dedupe eio encrypt fiemap fiexchange log quota recoveryloop shutdown thin
	trim verity volume'

keep='' stock='' limit=300 timeout=10800 chunk=20 protocol=nfs
while [ $# -gt 0 ]; do
	case $1 in
	--keep) keep=$2 && shift ;;
	--stock) stock=1 ;;
	--limit) limit=$2 && shift ;;
	--timeout) timeout=$2 && shift ;;
	--chunk) chunk=$2 && shift ;;
	--protocol) protocol=$2 && shift ;;
	-*) die "$1 is no option" ;;
	*) break ;;
	esac
	shift
done
[ $# -ge 1 ] || die "usage: $0 [OPTION...] KERNEL XFSTESTS [TEST...]"
kernel=$1 xfstests=${2-}
[ $# -lt 2 ] && shift 1 || shift 2
find_xfstests "$xfstests"
need python3

# shellcheck disable=SC2086 # words
chosen() { # TEST...
	if [ $# -gt 0 ]; then
		printf '%s\n' "$@"
	else
		grep -w quick "$xfstests/tests/generic/group.list" |
			grep -vwE "$(echo $never | tr ' ' '|')" | sed 's#^#generic/#; s/ .*//'
	fi
}

# Of those in $tmp/chosen, which have no result yet.
left() {
	cut -d ' ' -f 1 "$results" >"$tmp/done"
	grep -vxFf "$tmp/done" "$tmp/chosen"
}

in_guest() { # TEST...
	sh "$source/tests/kernel/run.sh" $option --size 2048 --memory 1536 \
		--timeout $((limit * $# + 300)) \
		--disk "$debian" --disk "$xfstests_disk" --disk "$tmp/test.img" \
		--disk "$tmp/scratch.img" "$kernel" "$source/tests/kernel/guest/xfstests.sh" \
		"$protocol" "$limit" "$@" >"$keep/log" 2>&1
	status=$?
	cat "$keep/log" >>"$keep/$subject.log"
	python3 "$source/tests/xfstests/results.py" "$keep/log" >"$tmp/got"
	grep -a '^generic/' "$keep/log" >"$tmp/last"
}

# What the guest was at when it died, or was out of time although each test is ended in time, fails.
# If it hasn't even begun, nothing will.
take_results() {
	case $status in
	0 | 1) ;;
	77)
		skip "$(sed -n 's/^SKIP: //p' "$keep/log")"
		;;
	*)
		fail "$subject: a guest ended with $status; see $keep/$subject.log"
		unfinished=$(sed -n '$s/^\(generic\/[0-9]*\) *$/\1/p' "$tmp/last")
		[ -z "$unfinished" ] || {
			sed -i '$d' "$tmp/got"
			echo "$unfinished failed the guest ended with $status" >>"$tmp/got"
		}
		;;
	esac
	[ "$status" != 1 ] || fail "$subject: $(grep '^FAIL' "$keep/log" | head -n 3)"
	[ -s "$tmp/got" ] || {
		tail -n 20 "$keep/log"
		die "$subject: nothing was run"
	}
	cat "$tmp/got" >>"$results"
}

# (Few tests read anything for a second time.)
look_at_reads() {
	reads=$(sed -n 's/.* \([0-9]*\) reads of the cache.*/\1/p' "$keep/$subject.log" |
		awk '{sum += $1} END {print sum + 0}')
	[ "$(grep -c ' passed' "$results")" -lt 20 ] || [ "$reads" -gt 0 ] ||
		fail "$subject: nothing was read from the cache"
}

run_subject() { # SUBJECT TEST...
	subject=$1 option=
	shift
	[ "$subject" = libfscache ] || option=--stock
	results=$keep/$subject.results
	touch "$results"
	chosen "$@" >"$tmp/chosen"
	while [ "$(date +%s)" -lt "$end" ] && [ -n "$(left)" ]; do
		# shellcheck disable=SC2046 # words
		in_guest $(left | head -n "$chunk")
		take_results
	done
	look_at_reads
	echo "$subject: $(cut -d ' ' -f 2 "$results" | sort | uniq -c | tr -s '\n ' ' ')," \
		"$(left | wc -l) not reached, $reads reads of the cache"
}

make_tmp
: "${keep:=$tmp/keep}"
mkdir -p "$keep" && keep=$(realpath "$keep") || die "no $keep"
find_debian
make_xfstests_disk
for name in test scratch; do
	truncate -s 4G "$tmp/$name.img" && mkfs.ext4 -q -F "$tmp/$name.img" || die "no disks"
done
end=$(($(date +%s) + timeout))
if [ -n "$stock" ]; then
	run_subject cachefiles "$@"
	finish
fi
run_subject libfscache "$@"
failures=$(sed -n 's/^\([^ ]*\) failed.*/\1/p' "$keep/libfscache.results")
[ -n "$failures" ] || finish
# (also if there is no time left for other tests)
end=$(($(date +%s) + limit * 4))
# shellcheck disable=SC2086 # words
run_subject cachefiles $failures
[ -z "$(left)" ] || fail "not tried with cachefiles: $(left | tr '\n' ' ')"
python3 "$source/tests/xfstests/compare.py" "$keep/cachefiles.results" \
	"$keep/libfscache.results" /dev/null || fail "see $keep"
finish
