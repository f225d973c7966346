#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# exports.sh - the shared library exports what the installed headers declare, no more, no less.
#
#   exports.sh CC LIBFSCACHE.so INCLUDE HEADER...

. "$(dirname "$0")/../lib.sh"
cc=$1 library=$2 include=$3
shift 3
need nm
make_tmp

for header in "$@"; do
	# shellcheck disable=SC2086 # CC may be two words
	$cc -E -P -I "$include" "$header" || die "$header can't be read"
done >"$tmp/all.i"
grep -o '\<fsc_[a-z0-9_]*(' "$tmp/all.i" | tr -d '(' | sort -u >"$tmp/declared"
# its version is a symbol too, of type A
nm -D --defined-only "$library" | awk '$2 != "A" { sub("@.*", "", $3); print $3 }' |
	sort -u >"$tmp/exported"
[ -s "$tmp/declared" ] && [ -s "$tmp/exported" ] || die "nothing found"

for name in $(comm -23 "$tmp/declared" "$tmp/exported"); do
	fail "$name is declared and not exported (lib/libfscache.map)"
done
for name in $(comm -13 "$tmp/declared" "$tmp/exported"); do
	fail "$name is exported and not declared"
done
objdump -p "$library" | grep -q 'SONAME *libfscache\.so\.0$' || fail "the soname"
finish
