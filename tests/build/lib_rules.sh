#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# lib_rules.sh - what CONTRIBUTING.md demands of lib/ and can be seen without compiling.
#
#   lib_rules.sh SOURCE

. "$(dirname "$0")/../lib.sh"
make_tmp
cd "$1" || die "no $1"

# none WHAT PATTERN FILE...: comments don't count, where they stand on lines of their own.
none() {
	what=$1 pattern=$2
	shift 2
	grep -nE "$pattern" "$@" /dev/null | grep -vE '^[^:]*:[0-9]+:[[:space:]]*(/?\*|//)' \
		>"$tmp/found" || return 0
	fail "$what:"
	cat "$tmp/found"
}

[ "$(ls lib/*.c | wc -l)" -ge 10 ] || die "hardly any files in lib/"

none "lib/ asks what it is compiled for" '^[[:space:]]*#[[:space:]]*(if|ifdef|ifndef|elif)\>' \
	lib/*.c
angle='^[[:space:]]*#[[:space:]]*include[[:space:]]*<'
headers='(backend|cache|env|fscache|object|types)\.h'
grep -nE "$angle" lib/*.c lib/*.h | grep -vE "<fscache/$headers>" >"$tmp/found" && {
	fail "lib/ includes others' headers:"
	cat "$tmp/found"
}
none "lib/ leaves its folder" '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]*/' lib/*.c lib/*.h
none "floating point" '\<(float|double)\>' lib/*.c lib/*.h

# A header asks once: whether it was read before.
for header in lib/*.h include/fscache/*.h; do
	count=$(grep -cE '^[[:space:]]*#[[:space:]]*(if|ifdef|ifndef|elif)\>' "$header")
	allowed=1
	case $header in
	include/fscache/types.h) allowed=4 ;; # the kernel's types, and C++ twice
	include/fscache/*) grep -q __cplusplus "$header" && allowed=3 ;;
	esac
	[ "$count" -le "$allowed" ] || fail "$header has $count conditions, not $allowed"
done

# Others than lib/ itself and its tests don't look into it: not by a path, nor by what the compiler
# would find. (A header of the same name beside the file is its own. The oracle of the simulation
# decodes what is on its disk, as tests of the core do.)
outside=$(find backends examples tests/sim tests/backend tests/support tests/9p \
	-path tests/sim/play -prune -o -name '*.[ch]' -print)
# shellcheck disable=SC2086 # words
none "others use lib/" '#[[:space:]]*include[[:space:]]*"(\.\./)+lib/' $outside
for header in lib/*.h; do
	# shellcheck disable=SC2086 # words
	grep -lE "#[[:space:]]*include[[:space:]]*\"${header#lib/}\"" $outside /dev/null
done | sort -u >"$tmp/suspects"
while read -r file; do
	for header in lib/*.h; do
		name=${header#lib/}
		[ -e "${file%/*}/$name" ] || ! grep -qE "include[[:space:]]*\"$name\"" "$file" ||
			fail "$file uses $header"
	done
done <"$tmp/suspects"

# Two lists of the same files: meson's and the kernel's. And each file is in one.
names() { # VARIABLE: from lib/meson.build
	sed -n "/^$1 = \[/,/^\]/s/^ *'\(.*\)',\$/\1/p" lib/meson.build | sort
}
names object_names >"$tmp/meson"
grep -o '\<lib/[a-z0-9_]*\.o' Kbuild | sed 's#lib/\(.*\)\.o#\1#' | sort -u >"$tmp/kbuild"
cmp -s "$tmp/meson" "$tmp/kbuild" || {
	diff "$tmp/meson" "$tmp/kbuild"
	fail "object_names in lib/meson.build is not what Kbuild lists"
}
names userspace_names | sort - "$tmp/meson" >"$tmp/listed"
ls lib/*.c | sed 's#lib/\(.*\)\.c#\1#' | sort >"$tmp/there"
cmp -s "$tmp/listed" "$tmp/there" || {
	diff "$tmp/listed" "$tmp/there"
	fail "lib/meson.build doesn't list the files that are in lib/"
}
finish
