#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# snippets.sh - the code in docs/embedding.md compiles: all that is C as one file, all that is C++ as
# another.
#
#   snippets.sh CC ROOT

. "$(dirname "$0")/../lib.sh"
cc=$1 root=$2
make_tmp

# Unused functions are what examples are made of.
warnings='-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror -Wno-unused-function'

blocks() { # LANGUAGE: what is between ```LANGUAGE and ```, with the lines' numbers of the page
	awk -v fence="\`\`\`$1" '$0 == "```" { inside = 0 }
		inside { print }
		$0 == fence { inside = 1; printf "#line %d \"embedding.md\"\n", NR + 1 }' \
		"$root/docs/embedding.md"
}

compiles() { # FILE COMPILER...
	file=$1
	shift
	[ "$(grep -c fsc_ "$file")" -ge 5 ] || fail "hardly any code in $file"
	"$@" -fsyntax-only -I "$root/include" "$file" >"$tmp/log" 2>&1 || {
		cat "$tmp/log"
		fail "$*"
	}
}

blocks c >"$tmp/all.c"
blocks cpp >"$tmp/all.cc"
# Others would be in no file.
[ "$(grep -c '^```.' "$root/docs/embedding.md")" = "$(cat "$tmp/all.c" "$tmp/all.cc" | grep -c '^#line')" ] ||
	fail "there are blocks that are neither c nor cpp"
! grep -q '^    [^ ]*fsc_.*;' "$root/docs/embedding.md" || fail "there is code outside of blocks"
# shellcheck disable=SC2086 # words
compiles "$tmp/all.c" $cc -std=gnu11 $warnings
if command -v c++ >/dev/null; then
	# shellcheck disable=SC2086 # words
	compiles "$tmp/all.cc" c++ -std=c++11 -Wall -Wextra -Werror -Wno-unused-function
else
	fail "no C++ compiler"
fi
finish
