# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# xfstests.sh nfs|afs LIMIT TEST... - xfstests' check on cached mounts (see ../xfstests.sh). A test that
# takes longer than LIMIT seconds is ended. The disks: Debian, xfstests, what is tested, and scratch.
# shellcheck shell=sh

. /guest/lib.sh
. /guest/debian.sh

limit=$2
serving=$1
shift 2

# Servers with two filesystems: xfstests wants two that are not the same.
serve_two_nfs() {
	serve nfs
	set -- $more_disks
	mkdir -p /srv/test /srv/scratch
	mount -t ext4 "/dev/$3" /srv/test && mount -t ext4 "/dev/$4" /srv/scratch ||
		die "no disks to serve"
	export_nfs /srv/test 1
	export_nfs /srv/scratch 2
	chmod 777 /srv/test /srv/scratch
	config nfs 127.0.0.1:/test 127.0.0.1:/scratch '-o vers=4.2,fsc'
}

# (Two volumes of one disk, that is larger than the usual one.)
serve_two_afs() {
	set -- $more_disks
	mkdir -p /srv && mount -t ext4 "/dev/$3" /srv || die "no disk to serve"
	serve afs
	make_volume scratch >/tmp/vos.log 2>&1 || die "no second volume: $(cat /tmp/vos.log)"
	config afs %guest:test %guest:scratch ''
	# (These are the names that /proc/mounts has. But a cell that is named is looked for by DNS.)
	cat >/debian/usr/sbin/mount.afs <<-'END'
		#!/bin/sh
		source=%${1#%guest:}
		target=$2
		shift 2
		exec mount -i -t afs "$source" "$target" "$@"
	END
	chmod 755 /debian/usr/sbin/mount.afs
}

config() { # TYPE DEVICE DEVICE OPTIONS
	mkdir -p /debian/mnt/test /debian/mnt/scratch /debian/results
	cat >/debian/config <<-END
		export FSTYP=$1
		export TEST_DEV=$2
		export TEST_DIR=/mnt/test
		export SCRATCH_DEV=$3
		export SCRATCH_MNT=/mnt/scratch
		export RESULT_BASE=/results
		export NFS_MOUNT_OPTIONS='$4'
		export AFS_MOUNT_OPTIONS='$4'
		export MOUNT_OPTIONS='$4'
		export TEST_FS_MOUNT_OPTS='$4'
	END
}

# Ends what check has started for a test that is over its time.
watch() {
	while sleep 5; do
		in_debian /usr/bin/ps -eo pid=,etimes=,args= | while read -r pid seconds words; do
			case $words in
			*/bash\ *tests/generic/[0-9]*)
				[ "$seconds" -lt "$limit" ] || {
					echo "guest: out of time: $words"
					end "$pid"
				}
				;;
			esac
		done
	done
}

# With all that it has started, from the leaves.
end() { # PID
	for child in $(in_debian /usr/bin/ps -o pid= --ppid "$1"); do
		end "$child"
	done
	kill -9 "$1"
}

# What was written is read from the cache or the server, not from memory.
drop() {
	while sleep 10; do
		echo 1 >/proc/sys/vm/drop_caches
	done
}

debian_up
serve_two_$serving
cache_up
watch &
watcher=$!
drop &
dropper=$!
in_debian /bin/sh -c 'cd /xfstests && HOST_OPTIONS=/config exec ./check "$@"' check "$@"
kill $watcher $dropper
for mount in test scratch; do
	! grep -q " /debian/mnt/$mount " /proc/mounts || umount "/debian/mnt/$mount" ||
		fail "$mount can't be unmounted"
done
say "$(cache_reads) reads of the cache, $(cache_writes) writes; $(disk_read) KiB of its disk"
cache_down
finish
