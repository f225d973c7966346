# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# lib.sh - kernels to boot, modules for them, and what a guest runs on. Sourced by run.sh, after
# tests/lib.sh; $source is the project's tree.
#
# What is downloaded or takes long is kept in $cache. Nothing is installed, and nothing of it is
# this machine's kernel.
# shellcheck shell=sh

uml='' built=''
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/libfscache-tests

# into FOLDER, whole or not at all, by COMMAND... run in an empty folder
kept() { # FOLDER COMMAND...
	[ ! -d "$1" ] || return 0
	kept_in=$1
	shift
	part=$cache/part.$$
	mkdir -p "$cache" || die "no cache folder"
	# (what was left by one that was killed)
	find "$cache/" -maxdepth 1 \( -name 'part.*' -o -name 'root.*' \) -mtime +0 -exec rm -rf {} +
	rm -rf "$part"
	mkdir "$part" || die "no cache folder"
	at_exit 'rm -rf "$part"'
	(cd "$part" && "$@") || return 1
	# (another run may have been faster)
	mv -T "$part" "$kept_in" 2>/dev/null || [ -d "$kept_in" ] || die "no cache folder"
}

newest() { # PATTERN COMMAND...: of the names that COMMAND prints
	pattern=$1
	shift
	"$@" 2>/dev/null | grep -E "$pattern" | sort -uV | tail -n 1
}

# --- Kernels ---------------------------------------------------------------------------------

# Counted up when unpack_image takes more than before.
unpacked=-3

# Of an image some 400 MB are drivers that no guest has.
unpack_image() { # RELEASE
	apt-get download "linux-image-$1-unsigned" >log 2>&1 || {
		cat log
		return 1
	}
	modules=./lib/modules/$1
	set -- "$modules/kernel/fs" "$modules/kernel/net/9p" "$modules/kernel/net/sunrpc" \
		"$modules/kernel/net/dns_resolver" "$modules/kernel/net/rxrpc" \
		"$modules/kernel/net/ipv4/udp_tunnel.*" "$modules/kernel/net/ipv6/ip6_udp_tunnel.*" \
		"$modules/kernel/net/ceph" "$modules/kernel/net/core" \
		"$modules/kernel/drivers/net/veth.*" "$modules/kernel/drivers/net/virtio_net.*" \
		"$modules/kernel/drivers/net/net_failover.*" \
		"$modules/kernel/lib" "$modules/kernel/crypto" \
		"$modules/kernel/arch" "$modules/kernel/block" "$modules/kernel/drivers/virtio" \
		"$modules/kernel/drivers/block" "$modules/modules.order" "$modules/modules.builtin" \
		"$modules/modules.builtin.modinfo" ./boot
	dpkg-deb --fsys-tarfile linux-image-*.deb >tar || return 1
	for path in "$@"; do # they are not the same in every version
		tar --wildcards -xf tar "$path" 2>/dev/null
	done
	rm -f tar linux-image-*.deb
	find lib -name '*.ko.xz' -exec xz -d {} +
	depmod -b . "$(ls lib/modules)"
}

# (What is compiled here is Debian's source.)
unpack_linux() { # SERIES
	apt-get download "linux-source-$1" >log 2>&1 || {
		cat log
		return 1
	}
	dpkg-deb -x linux-source-*.deb deb && tar -xf "deb/usr/src/linux-source-$1.tar.xz" \
		--strip-components 1 && rm -rf deb log linux-source-*.deb
}

# $kernel_root (with lib/modules in it), $release, $vmlinuz of KERNEL, see run.sh; $built is where it was
# compiled here, $uml the same if it is one
find_kernel() { # KERNEL
	case $1 in
	6.1) find_image '^linux-image-6\.1\.0-[0-9]+-amd64-unsigned$' ;;
	6.12) find_image '^linux-image-6\.12\.[0-9]+\+deb12-amd64-unsigned$' ;;
	uml)
		find_built vmlinux uml.sh
		uml=$built
		;;
	uml-debug)
		find_built vmlinux debug.sh "$1"
		uml=$built
		;;
	x86-debug)
		need qemu-system-x86_64
		find_built arch/x86/boot/bzImage debug.sh "$1"
		;;
	uml-builtin) find_builtin ;;
	*) die "there is no kernel '$1', only 6.1, 6.12, uml, uml-builtin and those of debug.sh" ;;
	esac
}

find_image() { # PATTERN
	need apt-get apt-cache dpkg-deb depmod xz qemu-system-x86_64
	try_image "$1" || { as_root apt-get update -qq && try_image "$1"; } || {
		image=$(newest "${1%\$}$unpacked\$" ls "$cache")
		[ -n "$image" ] || skip "no kernel image: none in the cache, nor does apt bring any"
	}
	kernel_root=$cache/$image
	release=$(ls "$kernel_root/lib/modules")
	vmlinuz=$(echo "$kernel_root"/boot/vmlinuz-*)
}

try_image() { # PATTERN
	image=$(newest "$1" apt-cache pkgnames linux-image-)
	[ -n "$image" ] || return 1
	unsigned=${image#linux-image-}
	image=$image$unpacked
	kept "$cache/$image" unpack_image "${unsigned%-unsigned}"
}

find_built() { # IMAGE SCRIPT...
	image=$1
	shift
	built=$(sh "$source/tests/kernel/$@") || {
		status=$?
		echo "$built"
		exit $status
	}
	built=$(echo "$built" | tail -n 1)
	kernel_root=$built/root
	release=$(ls "$kernel_root/lib/modules")
	vmlinuz=$built/$image
}

# With us in it already.
find_builtin() {
	kernel_root=${FSC_BUILD:-$source/build}/uml-builtin/root
	sh "$source/tests/kernel/builtin.sh" "${kernel_root%/root}" || exit
	release=$(ls "$kernel_root/lib/modules")
	vmlinuz=${kernel_root%/root}/vmlinux
}

# --- Our module ------------------------------------------------------------------------------

# For KERNEL in BUILD; $module is then the file. What has not changed is not compiled again.
build_module() { # KERNEL BUILD
	mkdir -p "$2" && tree=$(cd "$2" && pwd) || die "no folder to build in"
	(
		cd "$source" && cp -Ru lib include backends Kbuild "$tree/" && find_headers "$1" &&
			nice -n 10 make -C "$headers" ${uml:+ARCH=um} M="$tree" modules
	) >"$tree/log" 2>&1 || {
		cat "$tree/log"
		die "the module can't be built for $1"
	}
	module=$tree/libfscache.ko
}

# What compiles for exactly the kernel that is booted.
find_headers() { # KERNEL
	headers=$built
	[ -z "$headers" ] || return 0
	headers=$cache/linux-headers-$release/usr/src/linux-headers-$release
	[ -d "$headers" ] || sh "$source/tests/build/kernel.sh" "$source" "$1" "$tree/first" &&
		[ -d "$headers" ]
}

# --- What the guest runs on ------------------------------------------------------------------

stock_modules='virtio_pci virtio_blk virtio_console 9p 9pnet_virtio 9pnet_fd ext4 xfs btrfs
	fscache netfs cachefiles nfs nfsv4 nfsd crc32c_generic libcrc32c'
# for SMB; the ciphers are asked for by name
stock_modules="$stock_modules cifs cmac ccm gcm ghash_generic aes_generic ctr ecb seqiv
	sha256_generic sha512_generic md4 md5 hmac nls_utf8 nls_ucs2_utils"
# for AFS, whose server is in one network and a second client in another
stock_modules="$stock_modules kafs rxrpc pcbc fcrypt veth"
# and Ceph, whose servers are not in the guest
stock_modules="$stock_modules ceph virtio_net"

unpack_cachefilesd() {
	apt-get download cachefilesd >log 2>&1 || {
		cat log
		return 1
	}
	dpkg-deb -x cachefilesd_*.deb .
}

# A program with the libraries that it is linked to; those in UNPACKED come first.
copy_program() { # PROGRAM FOLDER [UNPACKED]
	mkdir -p "$2/bin" && cp -L "$1" "$2/bin/" || return 1
	libraries=${3-}/usr/lib/x86_64-linux-gnu
	libraries=${3:+"$3/lib/x86_64-linux-gnu:$libraries:$libraries/samba"}
	LD_LIBRARY_PATH=$libraries ldd "$1" 2>/dev/null | grep -oE '/[^ ]+\.so[^ ]*' |
		while read -r library; do
			to=$2${library#"${3-}"}
			[ -e "$to" ] || { mkdir -p "$(dirname "$to")" && cp -L "$library" "$to"; }
		done
}

# Modules are taken with all that they depend on; those that are built in are no modules.
copy_modules() { # FOLDER
	into=$1/lib/modules/$release
	mkdir -p "$into"
	for name in $stock_modules; do
		modprobe -d "$kernel_root" -S "$release" --show-depends "$name" 2>/dev/null
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r file; do
		folder=$into/$(dirname "${file#*"/$release/"}")
		mkdir -p "$folder" && cp "$file" "$folder/"
	done
	cp "$kernel_root/lib/modules/$release"/modules.builtin* \
		"$kernel_root/lib/modules/$release/modules.order" "$into/"
	depmod -b "$1" "$release"
}

make_root() { # TREE: the guest's whole userspace, with the kernel's modules
	mkdir -p bin proc sys dev run tmp etc cache srv mnt guest sbin usr var lib lib64
	cp "$busybox" bin/busybox || return 1
	for applet in $("$busybox" --list); do
		[ "$applet" = busybox ] || ln -sf busybox "bin/$applet"
	done
	copy_program "$cache/cachefilesd/sbin/cachefilesd" . || return 1
	! diod=$(command -v diod) || copy_program "$diod" . || return 1
	for program in io cld play churn mixed nth; do
		gcc -O2 -static -Wall -Wextra -o "bin/$program" "$1/tests/kernel/guest/$program.c" ||
			return 1
	done
	copy_modules .
	echo 'root:x:0:0:root:/:/bin/sh' >etc/passwd
	echo 'root:x:0:' >etc/group
	echo '127.0.0.1 localhost' >etc/hosts
	ln -s /proc/mounts etc/mtab
}

make_initramfs() { # TREE FILE: not compressed: unpacking would cost an emulated CPU more
	make_root "$1" && find . | cpio -o -H newc --quiet >"$2"
}

# $initramfs for $kernel_root: kept as long as what it is made of is the same
find_initramfs() {
	need cpio ldd busybox gcc modprobe
	busybox=$(command -v busybox)
	ldd "$busybox" >/dev/null 2>&1 && skip "busybox-static is not installed"
	kept "$cache/cachefilesd" unpack_cachefilesd || skip "cachefilesd can't be downloaded"
	# (also what it has only if it is installed)
	# shellcheck disable=SC2046 # words
	sum=$(cat "$source/tests/kernel/lib.sh" "$source/tests/kernel/guest/"*.c "$busybox" \
		$(command -v diod) | cksum | cut -d ' ' -f 1)
	initramfs=$kernel_root/initramfs-$sum
	[ ! -f "$initramfs" ] || return 0
	# (those of other trees may be in use)
	find "$kernel_root/" -maxdepth 1 -name 'initramfs-*' -mtime +0 -exec rm -f {} +
	root=$cache/root.$$
	at_exit 'rm -rf "$root"'
	mkdir -p "$root" && (cd "$root" && make_initramfs "$source" "$initramfs.$$") ||
		die "no initramfs"
	mv "$initramfs.$$" "$initramfs"
	rm -rf "$root"
}
