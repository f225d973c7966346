#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# core_symbols.sh - the core needs nothing but its platform.
#
#   core_symbols.sh CC ENV.H OBJECT-LEVEL.a USERSPACE.a
#
# Linked together, the objects of lib/ leave undefined only what env.h declares and the five
# functions of memory and strings; the object-level ones alone do so too, so they don't need the
# rooms that only userspace has. And none has data that change, as nothing there may.
#
# Which names env.h declares is asked of the preprocessor, over an empty fsc_platform.h: comments
# and macros are gone then, and what stands before a parenthesis is a function. What env.h says
# are macros (init and destroy of locks, queues and work) may call functions of those names, with
# or without something after them, as these are the platform's too.

. "$(dirname "$0")/../lib.sh"
cc=$1 env=$2 object_lib=$3 userspace_lib=$4
need nm objdump ld
make_tmp

: >"$tmp/fsc_platform.h"
# shellcheck disable=SC2086 # CC may be two words
$cc -E -P -I "$tmp" "$env" >"$tmp/env.i" || die "env.h can't be read"
grep -o '\<fsc_[a-z0-9_]*(' "$tmp/env.i" | tr -d '(' | sort -u >"$tmp/allowed"
grep -q '^fsc_zalloc$' "$tmp/allowed" || die "no functions found in env.h"
printf '%s\n' memcpy memmove memset memcmp strlen >>"$tmp/allowed"

check() { # WHAT LIBRARY...
	what=$1
	shift
	ld -r -o "$tmp/core.o" --whole-archive "$@" || die "$what can't be linked"
	[ "$(nm --defined-only "$tmp/core.o" | wc -l)" -gt 10 ] || die "$what: hardly any code"
	# the table of addresses is the linker's own
	nm -u "$tmp/core.o" | awk '{ print $2 }' | grep -vxF -f "$tmp/allowed" |
		grep -vx _GLOBAL_OFFSET_TABLE_ |
		grep -vxE 'fsc_(mutex|spin|waitq|work)_(init|destroy)[a-z0-9_]*' >"$tmp/extra"
	while read -r name; do
		fail "$what needs $name, by $(nm -A "$@" | awk -v n="$name" \
			'$2 == "U" && $3 == n { print $1 }' | tr '\n' ' ')"
	done <"$tmp/extra"
	objdump -h "$tmp/core.o" | awk '$2 ~ /^\.(data|bss|tdata|tbss)(\.|$)/ &&
		$2 !~ /^\.data\.rel\.ro/ && $3 !~ /^0+$/ { print $2 }' >"$tmp/data"
	nm "$tmp/core.o" | awk '$2 ~ /^[cC]$/ { print $3 }' >>"$tmp/data"
	[ ! -s "$tmp/data" ] || fail "$what has data that may change: $(tr '\n' ' ' <"$tmp/data")"
}

check "the core" "$object_lib" "$userspace_lib"
check "its object-level part" "$object_lib"
finish
