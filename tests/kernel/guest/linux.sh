# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# linux.sh PROTOCOL TARGET... - Linux is configured (tinyconfig) and built, or those TARGETS of it, on
# a cached mount, sources and results: cold, and again after a new mount, into another folder. Both
# times the same objects, and the sources of the second come from the cache. The disks: Debian,
# nothing, Linux's sources. See ../stress.sh.
#
# PROTOCOL is one whose server serves a disk as it is: nfs, cifs, in UML 9p.
# shellcheck shell=sh

. /guest/lib.sh
. /guest/debian.sh

# (It makes symbolic links, which SMB has in this form only.)
smb_options=mfsymlinks

serve_sources() {
	case $protocol-$guest_kind in
	nfs-* | cifs-* | 9p-uml) ;;
	9p-*) skip "QEMU's 9P serves a folder of the host, where Linux's sources are not" ;;
	*) skip "Linux's sources are a disk, which $protocol can't serve" ;;
	esac
	set -- $more_disks
	mkdir -p /srv && mount -t ext4 -o noatime "/dev/$3" /srv || die "no disk with Linux"
}

# What could tell one build from another, but for its folder, is given.
compile() { # FOLDER TARGET...
	# shellcheck disable=SC2016 # it is that shell that expands
	in_debian /bin/sh -c 'folder=$1 && shift && cd /mnt/linux &&
		export KBUILD_BUILD_TIMESTAMP=1 KBUILD_BUILD_USER=a KBUILD_BUILD_HOST=b &&
		make -s O="/mnt/$folder" tinyconfig && make -s -j 2 O="/mnt/$folder" "$@"' \
		compile "$@" >/tmp/compile.log 2>&1 ||
		fail "$1: $(tail -n 5 /tmp/compile.log)"
	sync
	# as the server has them
	(cd "$served/$1" && find . -name '*.o' -o -name vmlinux | sort | xargs sha1sum) >"/tmp/$1"
}

pass() { # cold|warm TARGET...
	mount_cached
	mount --bind /mnt /debian/mnt || die "no mount in Debian"
	server=$(server_read) reads=$(cache_reads)
	compile "$@"
	reads=$(($(cache_reads) - reads)) server=$(($(server_read) - server))
	say "$1: $(wc -l <"/tmp/$1") objects, $reads reads of the cache, from the server: $server"
	settle
	umount /debian/mnt
	umount /mnt
	forget
}

protocol=$1
shift
debian_up
serve_sources
serve "$protocol"
cache_up
pass cold "$@"
cold=$server
pass warm "$@"
[ "$(wc -l </tmp/cold)" -gt 20 ] || fail "next to nothing was compiled"
cmp -s /tmp/cold /tmp/warm || fail "the second time objects differ:
$(diff /tmp/cold /tmp/warm | head -n 10)"
[ "$reads" -gt 300 ] || fail "Linux's sources did not come from the cache"
# (what the build itself has written is not cached, and some of it is read again)
[ "$cold" -gt 0 ] || fail "the first time nothing came from the server"
[ -n "$guest_stock" ] || [ "$server" -lt $((cold / 10)) ] ||
	fail "the second time $server came from the server, $cold the first time"
cache_down
finish
