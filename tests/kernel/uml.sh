#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# uml.sh - User Mode Linux of Debian's 6.12 source, built once and kept.
#
#	uml.sh [--debug]
#
# Takes about 20 minutes of CPU time and 3 GB in the cache folder ($XDG_CACHE_HOME/libfscache-tests,
# or under ~/.cache). Stopped, it goes on where it was; with another configuration it is built anew,
# beside the old one. Its last line is the folder of the kernel:
# what `make -C FOLDER ARCH=um M=...` takes, with vmlinux in it. --debug has what uml-debug.config says.
# $JOBS: how many at once (2).

. "$(dirname "$0")/../lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/libfscache-tests

[ "$(uname -m)" = x86_64 ] || skip "only tried on x86_64"
need make gcc flex bison bc apt-get dpkg-deb flock

# (one that others have built with another configuration would have less, or look for less)
kind=
[ "${1-}" != --debug ] || kind=-debug
sum=$(cksum <"$here/uml$kind.config" | cut -d ' ' -f 1)

# Into $cache/linux-source-VERSION, whole or not at all.
unpack_source() {
	part=$cache/part.$$
	at_exit 'rm -rf "$part"'
	mkdir -p "$part" && cd "$part" || die "no cache folder"
	apt-get download linux-source-6.12 >log 2>&1 || {
		cat log
		skip "linux-source-6.12 can't be downloaded"
	}
	dpkg-deb -x linux-source-6.12_*.deb . && tar -xf usr/src/linux-source-6.12.tar.xz ||
		die "the kernel's source can't be unpacked"
	mv linux-source-6.12 "$1" || die "no cache folder"
	cd "$here" || exit 1
}

configure() {
	cd "$source" && make ARCH=um O="$folder" defconfig && cd "$folder" &&
		"$source/scripts/kconfig/merge_config.sh" -m -O . .config "$here/uml.config" &&
		make ARCH=um olddefconfig
}

# What it asks for and doesn't get would be missed by nobody.
configure_debug() {
	cd "$source" && make ARCH=um O="$folder" KCONFIG_ALLCONFIG="$here/uml-debug.config" \
		allnoconfig && cd "$folder" || return 1
	grep '^CONFIG_.*=[^n]' "$here/uml-debug.config" | grep -vxFf .config >missing || return 0
	sed 's/$/ is not to be had/' missing
	return 1
}

make_tmp
mkdir -p "$cache" || die "no cache folder"
version=$(apt-cache policy linux-source-6.12 2>/dev/null | sed -n 's/^  Candidate: //p')
[ -n "$version" ] || version=$(cd "$cache" && ls -d linux-source-6.12.* 2>/dev/null | sort -V |
	tail -n 1 | sed s/linux-source-//)
[ -n "$version" ] || skip "there is no linux-source-6.12"
source=$cache/linux-source-$version
folder=$cache/uml-$version$kind-$sum

# one at a time: two would write the same files
mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
if [ ! -f "$folder/built" ]; then
	[ -d "$source" ] || unpack_source "$source"
	{
		"configure${kind:+_debug}" &&
			nice -n 10 make ARCH=um -j "${JOBS:-2}" vmlinux modules &&
			rm -rf root &&
			make ARCH=um INSTALL_MOD_PATH=root modules_install
	} >"$folder/log" 2>&1 </dev/null || {
		tail -n 30 "$folder/log"
		die "User Mode Linux was not built; see $folder/log"
	}
	touch "$folder/built"
fi
echo "$folder"
