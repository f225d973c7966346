#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# intree.sh - grafted into Debian's source of a kernel, it compiles built in and as a module, with
# W=1 and, if sparse is installed, C=1, without a warning.
#
#	intree.sh 6.1|6.12
#
# For User Mode Linux, whose configuration is small. Only what lies in fs/libfscache is compiled: a
# whole kernel with us in it is builtin.sh's. The source is downloaded into the cache folder (150
# MB, unpacked 1.5 GB), and the graft is in a copy of hard links.

. "$(dirname "$0")/../lib.sh"
source=$(cd "$(dirname "$0")/../.." && pwd)
. "$source/tests/kernel/lib.sh"
series=${1-}
case $series in
6.1 | 6.12) ;;
*) die "usage: intree.sh 6.1|6.12" ;;
esac

find_linux() {
	version=$(apt-cache policy "linux-source-$series" 2>/dev/null |
		sed -n 's/^  Candidate: //p')
	[ -n "$version" ] && kept "$cache/linux-source-$version" unpack_linux "$series" && return
	linux=$(newest "^linux-source-$series\." ls "$cache")
	[ -n "$linux" ] || skip "no source of $series: none in the cache, nor does apt bring any"
	version=${linux#linux-source-}
}

um() {
	nice -n 10 make -C "$folder/linux" ARCH=um O="$folder/build" "$@"
}

# What its users are, the netfs library is.
configure() { # y|m
	cat >"$tmp/config" <<-END
		CONFIG_MODULES=y
		CONFIG_NET=y
		CONFIG_INET=y
		CONFIG_NETWORK_FILESYSTEMS=y
		CONFIG_NET_9P=$1
		CONFIG_9P_FS=$1
		CONFIG_FSCACHE=y
		CONFIG_9P_FSCACHE=y
		# CONFIG_CACHEFILES is not set
		CONFIG_LIBFSCACHE=$1
	END
	(cd "$folder/build" && "$folder/linux/scripts/kconfig/merge_config.sh" -m -O . .config \
		"$tmp/config") >"$tmp/log" && um olddefconfig prepare >>"$tmp/log" 2>&1 </dev/null ||
		die "no configuration: $(tail -n 30 "$tmp/log")"
	grep -qx "CONFIG_LIBFSCACHE=$1" "$folder/build/.config" ||
		die "LIBFSCACHE=$1 is not taken: $(grep LIBFSCACHE "$folder/build/.config")"
}

compile() { # TARGET
	rm -rf "$folder/build/fs/libfscache"
	um W=1 C="$sparse" KBUILD_MODPOST_WARN=1 "$1" >"$tmp/out" 2>"$tmp/err" || {
		cat "$tmp/out" "$tmp/err"
		die "$1 can't be made"
	}
	# (of ours: with W=1 other files of the kernel have some; and without a vmlinux modpost knows
	# no symbols)
	grep -E 'fs/libfscache/.*(warning|error):' "$tmp/err" >"$tmp/warnings"
	[ ! -s "$tmp/warnings" ] || fail "$1: $(cat "$tmp/warnings")"
}

make_tmp
need make gcc flex bison bc apt-get apt-cache dpkg-deb flock
mkdir -p "$cache" || die "no cache folder"
sparse=0
command -v sparse >/dev/null && sparse=1
find_linux
folder=$cache/intree-$version
mkdir -p "$folder/build"
exec 9>"$folder/lock"
flock 9
[ -d "$folder/linux" ] || {
	cp -al "$cache/linux-source-$version" "$folder/linux.part" &&
		mv "$folder/linux.part" "$folder/linux" || die "no copy of the source"
}
sh "$source/tools/graft.sh" "$folder/linux" || die "no graft"
[ -f "$folder/build/.config" ] || um defconfig >"$tmp/log" 2>&1 || die "$(cat "$tmp/log")"
configure y
compile fs/libfscache/
[ -f "$folder/build/fs/libfscache/built-in.a" ] || fail "nothing was built in"
configure m
compile fs/libfscache/libfscache.ko
[ -f "$folder/build/fs/libfscache/libfscache.ko" ] || fail "no module"
echo "$version: built in and as a module; sparse: $sparse"
finish
