#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# readme.sh ROOT - the README shows examples/hello.c as it is, and it is at most 80 lines long.

set -u
root=$1
status=0
shown=$(mktemp) || exit 1
trap 'rm -f "$shown"' EXIT

sed -n '/^```c$/,/^```$/p' "$root/README.md" | sed '1d;$d' >"$shown"
diff "$shown" "$root/examples/hello.c" || {
	echo "README.md doesn't show examples/hello.c as it is"
	status=1
}
[ "$(wc -l <"$root/examples/hello.c")" -le 80 ] || {
	echo "examples/hello.c is longer than 80 lines"
	status=1
}
exit "$status"
