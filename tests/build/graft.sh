#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# graft.sh - tools/graft.sh puts the tree into a kernel's and takes it out again; Kconfig means what
# it should, by the kernel's own conf (of the headers that kernel.sh has brought).
#
#	graft.sh SOURCE
#
# The kernel is a toy: of its fs/ only what has to do with us. Real ones: tests/kernel/intree.sh.

. "$(dirname "$0")/../lib.sh"
source=$1
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/libfscache-tests
make_tmp

bool() { # NAME...
	for name in "$@"; do
		printf 'config %s\n\tbool "%s"\n\n' "$name" "$name"
	done
}

make_kernel() { # as 6.12 has it
	mkdir -p "$tmp/k/fs/cachefiles"
	{
		printf 'config MODULES\n\tbool\n\tmodules\n\tdefault y\n\n'
		bool 64BIT BLOCK PROC_FS FILE_LOCKING BUFFER_HEAD KUNIT_ALL_TESTS
		printf 'config %s\n\ttristate "%s"\n\n' NETFS_SUPPORT n LIBCRC32C c KUNIT k
		printf 'config FSCACHE\n\tbool "FSCACHE"\n\tdepends on NETFS_SUPPORT\n\n'
		printf 'menu "Caches"\n\nsource "fs/cachefiles/Kconfig"\n\nendmenu\n'
	} >"$tmp/k/fs/Kconfig"
	# shellcheck disable=SC2016 # make's
	printf 'obj-y += hostfs/\nobj-$(CONFIG_CACHEFILES)\t+= cachefiles/\nobj-y += x/\n' \
		>"$tmp/k/fs/Makefile"
	printf 'config CACHEFILES\n\ttristate "CACHEFILES"\n\tdepends on FSCACHE\n' \
		>"$tmp/k/fs/cachefiles/Kconfig"
}

graft() {
	sh "$source/tools/graft.sh" "$@" "$tmp/k" >"$tmp/out" 2>&1
}

# What has the times and the contents of every file.
state() {
	(cd "$tmp/k" && find . -type f -exec stat -c '%n %Y %Z' {} + | sort && cat fs/[KM]*)
}

test_graft() {
	cp -R "$tmp/k" "$tmp/before"
	graft || die "the graft failed: $(cat "$tmp/out")"
	for name in $(sed -n 's/^	\([a-z].*\)\.o.*/\1.c/p' "$source/Kbuild"); do
		[ -f "$tmp/k/fs/libfscache/$name" ] || fail "$name is missing"
	done
	grep -qx 'obj-y += x/' "$tmp/k/fs/Makefile" || fail "a line of fs/Makefile is gone"
	state >"$tmp/first"
	graft || fail "the second graft failed"
	state | cmp -s "$tmp/first" - || fail "a second graft changes what is the same"
	: >"$tmp/k/fs/libfscache/lib/old.c"
	graft && [ ! -e "$tmp/k/fs/libfscache/lib/old.c" ] || fail "a file that is gone stays"
	graft --undo && diff -r "$tmp/before" "$tmp/k" >"$tmp/out" ||
		fail "--undo leaves something: $(cat "$tmp/out")"
	mkdir "$tmp/k/fs/libfscache" && ! graft || fail "a folder of somebody else is taken"
	! graft --undo && [ -d "$tmp/k/fs/libfscache" ] || fail "--undo removes somebody else's folder"
	rmdir "$tmp/k/fs/libfscache"
	mv "$tmp/k/fs/Makefile" "$tmp/gone" && ! graft || fail "something else is taken for a kernel"
	mv "$tmp/gone" "$tmp/k/fs/Makefile"
}

# configured LIBFSCACHE[-KUNIT_TEST] NAME=VALUE...
configured() {
	wanted=$1
	shift
	printf 'CONFIG_%s\n' 64BIT=y BLOCK=y PROC_FS=y FILE_LOCKING=y LIBFSCACHE_KUNIT_TEST=y "$@" \
		>"$tmp/config"
	(cd "$tmp/k" && KCONFIG_CONFIG=$tmp/config srctree=$tmp/k "$conf" -s --olddefconfig \
		fs/Kconfig) >"$tmp/out" 2>&1 || fail "conf: $(cat "$tmp/out")"
	! grep -v 'warning: override: ' "$tmp/out" || fail "conf has something to say"
	same "$*" "$(value_of LIBFSCACHE)-$(value_of LIBFSCACHE_KUNIT_TEST)" "$wanted"
	case $wanted in
	-) ;;
	-y) same "$*: selected" "$(value_of LIBCRC32C)" y ;;
	*) same "$*: selected" "$(value_of LIBCRC32C)$(value_of BUFFER_HEAD)" "${wanted%-*}y" ;;
	esac
}

value_of() { # NAME
	sed -n "s/^CONFIG_$1=//p" "$tmp/config"
}

test_kconfig() {
	set -- NETFS_SUPPORT=y FSCACHE=y LIBFSCACHE=y
	configured y- "$@"
	configured y-y "$@" KUNIT=y
	configured y- "$@" KUNIT=m
	configured m-y "$@" LIBFSCACHE=m KUNIT=m
	configured -y KUNIT=y
	configured - KUNIT=m
	configured - "$@" CACHEFILES=y
	configured m- "$@" CACHEFILES=m
	configured m- "$@" NETFS_SUPPORT=m
	configured - "$@" FSCACHE=n
	configured - "$@" BLOCK=n
	configured - "$@" KUNIT=y 64BIT=n
}

make_kernel
test_graft
conf=$(find "$cache" -path '*linux-headers-6.12*/scripts/kconfig/conf' 2>/dev/null | tail -n 1)
if [ -n "$conf" ]; then
	graft
	test_kconfig
elif [ "$fsc_failed" = 0 ]; then
	skip "no kconfig of a kernel to try Kconfig with; the graft works"
fi
finish
