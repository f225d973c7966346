#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# kernel.sh - the core and the kernel's platform compile against Debian's kernel headers, W=1,
# without a warning.
#
#   kernel.sh SOURCE 6.1|6.12 BUILD
#
# The headers are the newest of that series that apt knows, unpacked into a cache folder rather
# than installed (6.12's would pull in a kernel): $XDG_CACHE_HOME/libfscache-tests, or under
# ~/.cache. Nothing is compiled in SOURCE: it is copied to BUILD.

. "$(dirname "$0")/../lib.sh"
source=$1 series=$2 build=$3
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/libfscache-tests

[ "$(uname -m)" = x86_64 ] || skip "only tried on x86_64"
need make gcc-12 apt-get apt-cache dpkg-deb

case $series in
6.1) names='^linux-headers-6\.1\.0-[0-9]+-amd64$' ;;
6.12) names='^linux-headers-6\.12\.[0-9]+\+deb12-amd64$' ;;
*) die "no such series: $series" ;;
esac

newest() { # COMMAND...: of the names that it prints
	"$@" 2>/dev/null | grep -E "$names" | sort -uV | tail -n 1
}

# What a headers package needs beside itself: files that all architectures share, and tools.
companions() {
	version=${1#linux-headers-}
	version=${version%-amd64}
	case $series in
	6.1) echo "linux-headers-$version-common linux-kbuild-6.1" ;;
	*) echo "linux-headers-$version-common linux-kbuild-$version" ;;
	esac
}

unpack() { # PACKAGE: into $cache/PACKAGE, whole or not at all; false: can't be downloaded
	part=$cache/part.$$
	at_exit 'rm -rf "$part"'
	rm -rf "$part"
	mkdir -p "$part/root" && cd "$part" || die "no cache folder"
	# shellcheck disable=SC2046 # words
	apt-get download "$1" $(companions "$1") >"$part/log" 2>&1 || {
		cat "$part/log"
		cd "$source" && return 1
	}
	for deb in *.deb; do
		dpkg-deb -x "$deb" root || die "$deb can't be unpacked"
	done
	# Its one path that is not relative. And no vmlinux: no BTF, which needs another tool.
	echo "include $cache/$1/usr/src/${1%-amd64}-common/Makefile" >"root/usr/src/$1/Makefile"
	rm -f "root/usr/src/$1/vmlinux"
	mv root "$cache/$1" || [ -d "$cache/$1" ] || die "no cache folder"
	cd "$source" || exit 1
}

find_headers() {
	headers=$(newest apt-cache pkgnames linux-headers-)
	[ -n "$headers" ] && { [ -d "$cache/$headers" ] || unpack "$headers"; }
}

make_tmp
# apt's lists may be empty, or so old that what they name is gone
find_headers || { as_root apt-get update -qq && find_headers; } || {
	headers=$(newest ls "$cache")
	[ -n "$headers" ] || skip "no headers of $series: none in the cache, nor does apt bring any"
}

rm -rf "$build" && mkdir -p "$build" && build=$(cd "$build" && pwd) &&
	cp -R "$source/lib" "$source/include" "$source/backends" "$source/Kbuild" "$build/" ||
	die "can't copy"

make -k -C "$cache/$headers/usr/src/$headers" M="$build" W=1 modules >"$tmp/out" 2>"$tmp/err"
status=$?
grep -v '^Skipping BTF generation' "$tmp/err" >"$tmp/warnings"
cat "$tmp/out" "$tmp/err"
[ "$status" = 0 ] || fail "$headers: make ended with $status"
[ ! -s "$tmp/warnings" ] || fail "$headers: warnings"
[ -f "$build/libfscache.ko" ] || fail "$headers: no module"
finish
