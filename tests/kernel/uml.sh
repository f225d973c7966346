#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# uml.sh - User Mode Linux of Debian's 6.12 source, built once and kept.
#
#	uml.sh
#
# Takes about 20 minutes of CPU time and 3 GB in the cache folder ($XDG_CACHE_HOME/libfscache-tests,
# or under ~/.cache). Stopped, it goes on where it was; with another configuration it is built anew,
# beside the old one. Its last line is the folder of the kernel:
# what `make -C FOLDER ARCH=um M=...` takes, with vmlinux in it. $JOBS: how many at once (2).

. "$(dirname "$0")/../lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
. "$here/compile.sh"

[ "$(uname -m)" = x86_64 ] || skip "only tried on x86_64"
need make gcc flex bison bc apt-get dpkg-deb flock

configure() {
	cd "$source" && make ARCH=um O="$folder" defconfig && cd "$folder" &&
		"$source/scripts/kconfig/merge_config.sh" -m -O . .config "$here/uml.config" &&
		make ARCH=um olddefconfig
}

make_tmp
find_source
# (one that others have built with another configuration would have less)
folder=$cache/uml-$version-$(cksum <"$here/uml.config" | cut -d ' ' -f 1)
compile um vmlinux
echo "$folder"
