# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# disk_root.sh - for guests with little memory: what is otherwise unpacked into it lies on a disk,
# and a small initramfs mounts that. Sourced by run.sh after lib.sh; QEMU only.
# shellcheck shell=sh

# Modules that mount it, in their order.
first_modules() {
	for name in virtio_pci virtio_blk crc32c_generic ext4; do
		modprobe -d "$kernel_root" -S "$release" --show-depends "$name" 2>/dev/null
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++'
}

# $tmp/root.img of the cpio archives, and $tmp/initrd
make_disk_root() { # ARCHIVE...
	mkdir -p "$tmp/root" "$tmp/first/bin" "$tmp/first/modules" "$tmp/first/root"
	for archive in "$@"; do
		(cd "$tmp/root" && cpio -idmu --quiet) <"$archive" || die "can't unpack $archive"
	done
	truncate -s 512M "$tmp/root.img" &&
		mkfs.ext4 -q -F -L fsc-root -d "$tmp/root" "$tmp/root.img" || die "no disk for the guest's root"
	rm -rf "$tmp/root"
	cp "$busybox" "$tmp/first/bin/" &&
		cp "$source/tests/kernel/guest/first" "$tmp/first/init" || die "can't copy"
	chmod 755 "$tmp/first/init"
	number=100
	for file in $(first_modules); do
		number=$((number + 1))
		cp "$file" "$tmp/first/modules/$number.ko" || die "can't copy"
	done
	(cd "$tmp/first" && find . | cpio -o -H newc --quiet) >"$tmp/initrd" || die "no initramfs"
}
