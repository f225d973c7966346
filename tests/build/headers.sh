#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# headers.sh - every public header can be included alone, and twice, in strict C and in C++.
#
#   headers.sh CC INCLUDE PLATFORM
#
# object.h and env.h are for platforms, kernels and lib/: no C++ is promised there. env.h finds
# the fsc_platform.h of PLATFORM.

. "$(dirname "$0")/../lib.sh"
cc=$1 include=$2 platform=$3
make_tmp

warnings='-Wall -Wextra -Wpedantic -Wshadow -Werror -fsyntax-only'

check() { # HEADER COMPILER...
	header=$1
	shift
	printf '#include <fscache/%s>\n#include <fscache/%s>\nextern int nothing;\n' \
		"$header" "$header" >"$tmp/$header.source"
	"$@" "$tmp/$header.source" >"$tmp/log" 2>&1 || {
		cat "$tmp/log"
		fail "$header: $*"
	}
}

found=0
for path in "$include"/fscache/*.h; do
	header=${path##*/}
	found=$((found + 1))
	paths="-I $include"
	[ "$header" != env.h ] || paths="$paths -I $platform"
	for std in gnu11 c11; do
		# The platform is ours alone, and free to use what gnu11 has.
		[ "$header $std" != "env.h c11" ] || continue
		# shellcheck disable=SC2086 # words
		check "$header" $cc -x c -std=$std $warnings -Wstrict-prototypes $paths
	done
	case $header in object.h | env.h) continue ;; esac
	if command -v c++ >/dev/null; then
		# shellcheck disable=SC2086 # words
		check "$header" c++ -x c++ -std=c++11 $warnings $paths
	else
		fail "no C++ compiler"
	fi
done
[ "$found" -ge 7 ] || fail "only $found headers in $include"
finish
