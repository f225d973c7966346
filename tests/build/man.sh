#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# man.sh - a manual page has the options that its program's --help has, and no others; and it is
# well-formed, where groff can tell.
#
#   man.sh PROGRAM PAGE [PAGE-THAT-IT-REFERS-TO]

. "$(dirname "$0")/../lib.sh"
program=$1 page=$2
shift
make_tmp

# Mount options are indented by two and begin with a letter.
{
	"$program" --help
	for command in ls stat cat get warm mount; do
		"$program" $command --help
	done
} >"$tmp/help" || die "--help"
{
	grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' "$tmp/help" | sed 's/.*--//'
	sed -n '/^ Mount options:/,/^  -/s/^  \([a-z_]*\).*/\1/p' "$tmp/help" | sed 's/^nosuid$//'
} | grep . | sort -u >"$tmp/options"
[ "$(grep -c . "$tmp/options")" -ge 18 ] || die "hardly any options in --help"

while read -r option; do
	cat "$@" | sed 's/^\.\\".*//' | grep -qE -e "-$option( |\$)" -e "Cm $option( |\$)" ||
		fail "${page##*/} lacks $option"
done <"$tmp/options"

grep -oE '^\.It Fl -[a-z-]+' "$page" | sed 's/.*Fl -//' | while read -r option; do
	grep -qx -e "$option" "$tmp/options" || echo "$option"
done >"$tmp/unknown"
[ ! -s "$tmp/unknown" ] || fail "${page##*/} has what --help hasn't: $(tr '\n' ' ' <"$tmp/unknown")"

if command -v groff >/dev/null; then
	groff -mdoc -Tascii -ww "$page" 2>&1 >/dev/null | grep . && fail "groff has to say something"
fi
finish
