#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# stress.sh - xfstests' fsx, dbench and a compiler on a cached mount (guest/stress.sh).
#
#	stress.sh [--stock] [--cache ext4|xfs] [--timeout SECONDS] KERNEL XFSTESTS PROTOCOL [STEPS [SEED]]
#	stress.sh [OPTION...] --linux KERNEL PROTOCOL [TARGET...]
#
# XFSTESTS is a built tree, as for xfstests.sh; STEPS are fsx's (2000). With --linux it is Debian's
# source of Linux that is built on the mount (guest/linux.sh): tinyconfig, and what these TARGETS of
# its Makefile name (all of it); over NFS, SMB, and 9P in UML.

. "$(dirname "$0")/../lib.sh"
source=$(cd "$(dirname "$0")/../.." && pwd)
. "$source/tests/kernel/lib.sh"
. "$source/tests/kernel/debian.sh"

# On a disk of its own, $linux_disk.
find_linux() {
	sh "$source/tests/kernel/uml.sh" >"$tmp/uml" || {
		status=$?
		cat "$tmp/uml"
		exit "$status"
	}
	tree=$(readlink -f "$(tail -n 1 "$tmp/uml")/source")
	kept "$cache/disk-${tree##*/}" make_linux_disk || die "no disk with Linux's source"
	linux_disk=$cache/disk-${tree##*/}/linux.img
}

make_linux_disk() {
	mkdir root && cp -al "$tree" root/linux && truncate -s 4G linux.img &&
		mkfs.ext4 -q -F -d root linux.img && rm -rf root
}

build_linux() { # KERNEL PROTOCOL [TARGET...]
	kernel=$1
	shift
	make_tmp
	find_debian
	find_linux
	# (there is no second disk)
	truncate -s 1M "$tmp/none.img" && mkfs.ext4 -q -F -O ^has_journal "$tmp/none.img" || die "no disk"
	# shellcheck disable=SC2086 # words
	sh "$source/tests/kernel/run.sh" $options --size 2048 --memory 1024 --disk "$debian" \
		--disk "$tmp/none.img" --disk "$linux_disk" "$kernel" \
		"$source/tests/kernel/guest/linux.sh" "$@"
	exit
}

options='' linux=''
while [ $# -gt 0 ]; do
	case $1 in
	--stock) options="$options $1" ;;
	--linux) linux=1 ;;
	--cache | --timeout) options="$options $1 $2" && shift ;;
	*) break ;;
	esac
	shift
done
[ -z "$linux" ] || [ $# -lt 2 ] || build_linux "$@"
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
