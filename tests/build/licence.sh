#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# licence.sh - every file says, in its first three lines, under which licence it is.
#
#   licence.sh SOURCE
#
# Prose and the licences' own texts need not; what carries such a line has the right one.

. "$(dirname "$0")/../lib.sh"
source=$1
make_tmp
cd "$source" || die "no $source"

# What the repository has, or would take; in an unpacked release, all there is.
{
	git ls-files -co --exclude-standard 2>/dev/null ||
		find . -type f ! -path './build/*' ! -path './.git/*' | sed 's#^\./##'
} >"$tmp/files"
[ "$(grep -c . "$tmp/files")" -ge 50 ] || die "only few files in $source"

tag='SPDX-License-Identifier:'
pattern="$tag GPL-2.0-only OR MIT"

while IFS= read -r file; do
	[ -f "$file" ] || continue
	case $file in
	LICENSE | COPYING) continue ;;
	# formats that have no comments, or are about licences themselves
	debian/changelog | debian/copyright | debian/source/format | *.README.Debian) continue ;;
	*.md | *.svg | *.png | *.bin | .gitignore | */corpus/*)
		grep -Iq "^[^a-zA-Z\`]*$tag" "$file" || continue
		;;
	esac
	head -n 3 "$file" | grep -Eq "^[^a-zA-Z]*$pattern( \*/| -->)?\$" ||
		fail "$file has no line '$pattern'"
done <"$tmp/files"

grep -q 'GNU GENERAL PUBLIC LICENSE' COPYING || fail "COPYING is not the GPL"
grep -q 'Version 2, June 1991' COPYING || fail "COPYING is not version 2"
grep -q 'Permission is hereby granted, free of charge' LICENSE || fail "LICENSE is not MIT's"
finish
