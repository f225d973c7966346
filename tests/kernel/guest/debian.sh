# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# debian.sh - the Debian on the first of $more_disks, as the folder /debian: what in_debian runs
# has it for a root. Sourced after lib.sh; not run.
# shellcheck shell=sh

# The second disk is a built xfstests.
debian_up() {
	set -- $more_disks
	mkdir -p /debian
	mount -t ext4 "/dev/$1" /debian || die "no Debian"
	mkdir -p /debian/xfstests
	mount -t ext4 "/dev/$2" /debian/xfstests || die "no xfstests"
	mount -t proc none /debian/proc
	mount -t sysfs none /debian/sys
	mount -t devtmpfs none /debian/dev
	mkdir -p /debian/dev/pts /debian/dev/shm
	mount -t devpts none /debian/dev/pts
	mount -t tmpfs none /debian/dev/shm
	mount -t tmpfs none /debian/run
	ln -sf /proc/self/fd /debian/dev/fd 2>/dev/null
	ln -sf /proc/mounts /debian/etc/mtab
}

# (By its whole path: busybox knows some of them itself.)
in_debian() { # COMMAND...
	env PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C chroot /debian "$@"
}
