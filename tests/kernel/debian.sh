# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# debian.sh - a disk with a Debian on it, for guests that need more than busybox. Sourced after
# lib.sh; for run.sh's --disk.
# shellcheck shell=sh

debian_packages='perl attr acl xfsprogs e2fsprogs bc gawk procps psmisc nfs-common libaio1 liburing2
	libuuid1 uuid-runtime libcap2-bin file ed hostname quota keyutils kmod xz-utils dbench fio
	gcc libc6-dev make flex bison'

# Where this machine has its packages from.
debian_sources() {
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
		/etc/apt/sources.list.d/*.sources; do
		[ ! -s "$file" ] || echo "$file"
	done
}

# (xfstests wants users of these names; a Debian that isn't run needs no daemons.)
make_debian() { # SIZE
	folder=$PWD/root
	# shellcheck disable=SC2046 # words
	mmdebstrap --quiet --variant=minbase --include="$(echo $debian_packages | tr ' ' ,)" \
		bookworm "$folder" $(debian_sources) || return 1
	id=2000
	for user in fsgqa fsgqa2 123456-fsgqa; do
		id=$((id + 1))
		echo "$user:*:$id:$id::/tmp:/bin/bash" >>"$folder/etc/passwd"
		echo "$user:x:$id:" >>"$folder/etc/group"
	done
	echo guest >"$folder/etc/hostname"
	echo '127.0.0.1 localhost guest' >"$folder/etc/hosts"
	rm -rf "$folder/usr/share/doc" "$folder/usr/share/man" "$folder/var/lib/apt/lists"
	truncate -s "$1" debian.img && mkfs.ext4 -q -F -d "$folder" debian.img && rm -rf "$folder"
}

# $debian is the disk's file.
find_debian() {
	need mmdebstrap mkfs.ext4
	[ "$(id -u)" = 0 ] || skip "a Debian for a guest is made as root"
	sum=$(echo "$debian_packages" | cksum | cut -d ' ' -f 1)
	kept "$cache/debian-$sum" make_debian 4G >"$tmp/debian.log" 2>&1 || {
		cat "$tmp/debian.log"
		skip "no Debian for the guest"
	}
	debian=$cache/debian-$sum/debian.img
}

# $xfstests, a built tree at PATH; or skip.
find_xfstests() { # PATH
	[ -n "$1" ] || skip "no xfstests: give the path of a built tree (FSC_XFSTESTS)"
	[ -x "$1/ltp/fsx" ] && [ -f "$1/tests/generic/group.list" ] ||
		skip "$1 is not a built xfstests"
	xfstests=$(realpath "$1")
}

# It as a disk of its own, $xfstests_disk.
make_xfstests_disk() {
	xfstests_disk=$tmp/xfstests.img
	truncate -s 512M "$xfstests_disk" && mkfs.ext4 -q -F -d "$xfstests" "$xfstests_disk" ||
		die "no disk with xfstests"
}
