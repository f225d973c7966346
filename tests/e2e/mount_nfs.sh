#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount_nfs.sh - the scenarios of mounts with the other program: fscnfs over nfs-ganesha, NFSv3.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
build=${1:?"usage: $0 BUILD-FOLDER"}

skipped=0
for script in coherency write restart sparse; do
	modes=cached
	[ -z "${FSC_LONG-}" ] || modes='cached uncached killed'
	FSC_CLIENT=nfs FSC_MODES=${FSC_MODES:-$modes} sh "$here/mount_$script.sh" "$build"
	case $? in
	0) ;;
	77) skipped=$((skipped + 1)) ;;
	*) fail "mount_$script over NFS" ;;
	esac
done
[ "$skipped" != 4 ] || skip "NFS can't be tried here"
finish
