#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# xfstests.sh - the generic part of xfstests on cached NFS with our module; what fails is tried with
# the kernel's own cachefiles: what passes there must pass with ours.
#
#	xfstests.sh [OPTION...] KERNEL XFSTESTS [TEST...]
#
# --keep FOLDER		results and logs go there
# --stock		all with cachefiles, and nothing with our module
# --limit SECONDS	of one test (300); what takes longer is ended, and counts as failed
# --timeout SECONDS	of all together (10800)
#
# XFSTESTS is a built tree, as for tests/xfstests.sh; nothing is written to it. TEST is generic/NNN;
# without any, those of the group quick. The guest's userspace is a Debian (debian.sh).

. "$(dirname "$0")/../lib.sh"
source=$(cd "$(dirname "$0")/../.." && pwd)
. "$source/tests/kernel/lib.sh"
. "$source/tests/kernel/debian.sh"

keep='' stock='' limit=300 timeout=10800
while [ $# -gt 0 ]; do
	case $1 in
	--keep) keep=$2 && shift ;;
	--stock) stock=1 ;;
	--limit) limit=$2 && shift ;;
	--timeout) timeout=$2 && shift ;;
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
[ $# -gt 0 ] || set -- -g generic/quick

run_subject() { # SUBJECT TEST...
	subject=$1
	shift
	option=
	[ "$subject" = libfscache ] || option=--stock
	sh "$source/tests/kernel/run.sh" $option --size 2048 --memory 1536 --timeout "$timeout" \
		--disk "$debian" --disk "$xfstests_disk" --disk "$tmp/test.img" \
		--disk "$tmp/scratch.img" "$kernel" "$source/tests/kernel/guest/xfstests.sh" \
		"$limit" "$@" >"$keep/$subject.log" 2>&1
	status=$?
	python3 "$source/tests/xfstests/results.py" "$keep/$subject.log" >"$keep/$subject.part"
	[ -s "$keep/$subject.part" ] || {
		tail -n 20 "$keep/$subject.log"
		[ $status != 77 ] || skip "no such guest"
		die "$subject: nothing was run"
	}
	# (check's own status isn't told)
	[ $status = 0 ] || fail "$subject: the guest ended with $status"
	# (Few tests read anything for a second time.)
	[ "$(wc -l <"$keep/$subject.part")" -lt 20 ] || ! grep -q ' 0 reads of the cache' \
		"$keep/$subject.log" || fail "$subject: nothing was read from the cache"
	mv "$keep/$subject.part" "$keep/$subject.results"
	echo "$subject: $(cut -d ' ' -f 2 "$keep/$subject.results" | sort | uniq -c |
		tr -s '\n ' ' ')"
	grep ' reads of the cache' "$keep/$subject.log"
}

make_tmp
: "${keep:=$tmp/keep}"
mkdir -p "$keep" && keep=$(realpath "$keep") || die "no $keep"
find_debian
make_xfstests_disk
for name in test scratch; do
	truncate -s 4G "$tmp/$name.img" && mkfs.ext4 -q -F "$tmp/$name.img" || die "no disks"
done
if [ -n "$stock" ]; then
	run_subject cachefiles "$@"
	finish
fi
run_subject libfscache "$@"
failures=$(sed -n 's/ failed.*//p' "$keep/libfscache.results")
[ -n "$failures" ] || finish
# shellcheck disable=SC2086 # words
run_subject cachefiles $failures
python3 "$source/tests/xfstests/compare.py" "$keep/cachefiles.results" \
	"$keep/libfscache.results" /dev/null || fail "see $keep"
finish
