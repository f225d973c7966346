#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# graft.sh - put libfscache into a kernel's own source tree, as fs/libfscache.
#
#	sh tools/graft.sh KERNEL_SOURCE
#	sh tools/graft.sh --undo KERNEL_SOURCE
#
# Then it is CONFIG_LIBFSCACHE of that kernel, built in or a module. Only what the kernel compiles is
# copied, and one line each is added to fs/Kconfig and fs/Makefile. Done again, it brings what has
# changed here since. What is hard-linked elsewhere is not changed there.

set -u
export LC_ALL=C
source=$(cd "$(dirname "$0")/.." && pwd) || exit 1

die() {
	echo "graft.sh: $*" >&2
	exit 1
}

undo=
[ "${1-}" != --undo ] || {
	undo=1
	shift
}
[ $# = 1 ] || die "usage: graft.sh [--undo] KERNEL_SOURCE"
kernel=$1
folder=$kernel/fs/libfscache
for file in "$kernel/fs/Kconfig" "$kernel/fs/Makefile" "$kernel/fs/cachefiles/Kconfig"; do
	[ -f "$file" ] || die "$kernel is not the source of a kernel: there is no $file"
done
# What lies there is about to be replaced or removed.
[ ! -e "$folder" ] || grep -qs 'CONFIG_LIBFSCACHE' "$folder/Kbuild" || die "$folder is something else"

# --- Its lines in files of the kernel ----------------------------------------------------------

replace() { # FILE: by what comes in
	cat >"$1.graft" && chmod --reference="$1" "$1.graft" && mv "$1.graft" "$1" ||
		die "can't write $1"
}

unhook() { # FILE LINE
	! grep -qxF "$2" "$1" || grep -vxF "$2" "$1" | replace "$1"
}

# After the stock module's own.
hook() { # FILE LINE PATTERN
	! grep -qxF "$2" "$1" || return 0
	grep -q "$3" "$1" || die "$1 has no line of cachefiles to stand beside"
	awk -v line="$2" -v pattern="$3" '{print} $0 ~ pattern {print line}' "$1" | replace "$1"
}

kconfig_line='source "fs/libfscache/Kconfig"'
makefile_line='obj-y				+= libfscache/'

if [ -n "$undo" ]; then
	unhook "$kernel/fs/Kconfig" "$kconfig_line"
	unhook "$kernel/fs/Makefile" "$makefile_line"
	rm -rf "$folder"
	exit
fi

# --- The files ---------------------------------------------------------------------------------

# What Kbuild names, and all headers: relative to here.
names() {
	echo Kbuild Kconfig LICENSE COPYING
	sed -n 's/^\t\([a-z].*\)\.o\( \\\)\{0,1\}$/\1.c/p' Kbuild
	find include lib backends/fskind.h backends/kernel tests/kernel/kunit -name '*.h' \
		! -name uring.h
	echo backends/kernel/compat.mk tests/kernel/kunit/.kunitconfig
}

place() { # FROM TO: whatever is the same keeps its time
	cmp -s "$1" "$2" && return
	mkdir -p "$(dirname "$2")" && cp "$1" "$2.graft" && mv "$2.graft" "$2" ||
		die "can't write $2"
}

cd "$source" || exit 1
case $kernel in
/*) ;;
*) kernel=$OLDPWD/$kernel folder=$OLDPWD/$folder ;;
esac
wanted=$(names | tr ' ' '\n' | sort -u)
for name in $wanted; do
	place "$name" "$folder/$name"
done
place tests/kernel/kunit/.kunitconfig "$folder/.kunitconfig"

# What is gone here.
(cd "$folder" && find . -name '*.[ch]' ! -name '*.mod.c' | sed 's#^\./##') | while read -r name; do
	echo "$wanted" | grep -qxF "$name" || rm "$folder/$name"
done

hook "$kernel/fs/Kconfig" "$kconfig_line" '^source "fs/cachefiles/Kconfig"'
hook "$kernel/fs/Makefile" "$makefile_line" '^obj-.*CONFIG_CACHEFILES'
echo "$folder"
