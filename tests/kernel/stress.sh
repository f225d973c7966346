#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# stress.sh - xfstests' fsx, dbench and a compiler on a cached mount (guest/stress.sh).
#
#	stress.sh [--stock] [--cache ext4|xfs] [--timeout SECONDS] KERNEL XFSTESTS PROTOCOL [STEPS [SEED]]
#
# XFSTESTS is a built tree, as for xfstests.sh; STEPS are fsx's (2000).

. "$(dirname "$0")/../lib.sh"
source=$(cd "$(dirname "$0")/../.." && pwd)
. "$source/tests/kernel/lib.sh"
. "$source/tests/kernel/debian.sh"

options=
while [ $# -gt 0 ]; do
	case $1 in
	--stock) options="$options $1" ;;
	--cache | --timeout) options="$options $1 $2" && shift ;;
	*) break ;;
	esac
	shift
done
[ $# -ge 3 ] || die "usage: $0 [OPTION...] KERNEL XFSTESTS PROTOCOL [STEPS [SEED]]"
kernel=$1 protocol=$3
find_xfstests "$2"
make_tmp
find_debian
make_xfstests_disk
# shellcheck disable=SC2086 # words
sh "$source/tests/kernel/run.sh" $options --size 1024 --memory 1024 --disk "$debian" \
	--disk "$xfstests_disk" "$kernel" "$source/tests/kernel/guest/stress.sh" \
	"$protocol" "${4:-2000}" ${5:+"$5"}
