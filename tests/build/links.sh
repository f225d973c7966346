#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# links.sh - what the docs refer to in this tree is there: files, and headings in them.
#
#   links.sh SOURCE

. "$(dirname "$0")/../lib.sh"
make_tmp
cd "$1" || die "no $1"

# As GitHub names them.
anchors() { # FILE
	sed -n '/^```/,/^```/d; s/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' |
		sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

targets() { # FILE
	grep -oE '\]\([^)]*\)' "$1" | sed 's/^](//; s/)$//' | grep -v '://'
}

count=0
for file in *.md docs/*.md; do
	targets "$file" >"$tmp/targets"
	while read -r target; do
		count=$((count + 1))
		path=$(dirname "$file")/${target%%#*}
		[ -n "${target%%#*}" ] || path=$file
		[ -e "$path" ] || {
			fail "$file: there is no $target"
			continue
		}
		case $target in
		*#*) anchors "$path" | grep -qxF -- "${target#*#}" ||
			fail "$file: $target: there is no such heading" ;;
		esac
	done <"$tmp/targets"
done
[ $count -gt 20 ] || fail "there are only $count links"
finish
