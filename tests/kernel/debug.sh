#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# debug.sh - a kernel that looks for mistakes, of Debian's 6.12 source, built once and kept.
#
#	debug.sh uml-debug|x86-debug
#
# uml-debug is User Mode Linux; the other is for QEMU, is preempted and has two CPUs, so that there are
# races to be seen. Takes 20 minutes of CPU time (x86-debug: an hour) and 1 to 3 GB in the
# cache folder; stopped, it goes on where it was. Its last line is the folder of the kernel: what
# `make -C FOLDER M=...` takes, with vmlinux in it. $JOBS: how many at once (2).

. "$(dirname "$0")/../lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
. "$here/compile.sh"

[ "$(uname -m)" = x86_64 ] || skip "only tried on x86_64"
need make gcc flex bison bc apt-get dpkg-deb flock

# What it asks for and doesn't get would be missed by nobody.
configure() {
	cd "$folder" && cat "$tmp/wanted" >wanted.config &&
		make -C "$source" "ARCH=$arch" O="$folder" KCONFIG_ALLCONFIG="$folder/wanted.config" \
			allnoconfig || return 1
	grep '^CONFIG_.*=[^n]' wanted.config | grep -vxFf .config >missing || return 0
	sed 's/$/ is not to be had/' missing
	return 1
}

need_libelf() {
	echo '#include <libelf.h>' | gcc -E - >/dev/null 2>&1 || skip "libelf-dev is not installed"
}

make_tmp
cd "$here" || exit 1
case ${1-} in
uml-debug) set -- small.config small-uml.config debug.config ;;
x86-debug) set -- small.config small-x86.config debug.config ;;
*) die "usage: debug.sh uml-debug|x86-debug" ;;
esac
cat "$@" >"$tmp/wanted"
find_source
# (one that others have built with another configuration would look for less)
sum=$(cksum <"$tmp/wanted" | cut -d ' ' -f 1)
case $* in
*uml*)
	folder=$cache/uml-$version-debug-$sum
	compile um vmlinux
	;;
*)
	need_libelf
	folder=$cache/x86-$version-debug-$sum
	compile x86_64 bzImage
	;;
esac
echo "$folder"
