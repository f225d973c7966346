#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# backend.sh - the backend's contract (tests/backend) held to by the kernel's backend, in a kernel.
#
#	sh tests/kernel/backend.sh KERNEL ext4|xfs
#
# KERNEL as in run.sh, which this uses. A module of its own is built (tests/kernel/backend/).

. "$(dirname "$0")/../lib.sh"
source=$(cd "$(dirname "$0")/../.." && pwd)
. "$source/tests/kernel/lib.sh"

[ $# = 2 ] || die "usage: backend.sh KERNEL ext4|xfs"
kernel=$1 filesystem=$2

# Beside $tree, as the module takes files of lib/ and backends/.
build_test_module() {
	tree=${FSC_BUILD:-$source/build}/backend-$kernel
	mkdir -p "$tree/tests/kernel" && tree=$(cd "$tree" && pwd) || die "no folder to build in"
	(
		cd "$source" && cp -Ru include backends "$tree/" &&
			cp -Ru tests/backend "$tree/tests/" &&
			cp -Ru tests/kernel/backend "$tree/tests/kernel/" && find_headers "$kernel" &&
			nice -n 10 make -C "$headers" ${uml:+ARCH=um} M="$tree/tests/kernel/backend" \
				modules
	) >"$tree/log" 2>&1 || {
		cat "$tree/log"
		die "the module can't be built for $kernel"
	}
}

# A disk whose defaults are in its superblock alone, and one without a journal.
make_server_disk() { # FILE
	truncate -s 64M "$1"
	case $filesystem in
	ext4)
		promise=strict
		mkfs.ext4 -q -F "$1" && tune2fs -o nobarrier "$1" >/dev/null
		;;
	*)
		promise=volatile
		mkfs.ext4 -q -F -O ^has_journal "$1"
		;;
	esac || die "no disk to judge"
}

make_tmp
need mkfs.ext4 tune2fs
find_kernel "$kernel"
build_test_module
mkdir -p "$tmp/disks"
make_server_disk "$tmp/disks/server.img"
sh "$source/tests/kernel/run.sh" --module "$tree/tests/kernel/backend/fsc_backend_test.ko" \
	--keep "$tmp/disks" --cache "$filesystem" --timeout 900 "$kernel" \
	"$source/tests/kernel/guest/backend.sh" "$filesystem" "$promise"
