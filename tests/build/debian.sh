#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# debian.sh - what Debian's packages and DKMS say of the library is what is so.
#
#   debian.sh SOURCE
#
# That the packages can be built and used is tests/packaging.sh's.

. "$(dirname "$0")/../lib.sh"
cd "$1" || die "no $1"
make_tmp

version=$(sed -n "s/^  version: '\(.*\)',/\1/p" meson.build)
[ -n "$version" ] || die "meson.build says no version"
same "dkms.conf's version" "$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)" "$version"
same "the changelog's" "$(sed -n '1s/.*(\(.*\)-[^-]*).*/\1/p' debian/changelog)" "$version"

sed -n 's/^	\(fsc_.*\);$/\1/p' lib/libfscache.map | sort >"$tmp/map"
sed -n 's/^ \(fsc_.*\)@FSCACHE_0 .*/\1/p' debian/libfscache0.symbols | sort >"$tmp/symbols"
[ -s "$tmp/map" ] || die "libfscache.map exports nothing"
diff "$tmp/map" "$tmp/symbols" || fail "debian/libfscache0.symbols (>) isn't libfscache.map (<)"
finish
