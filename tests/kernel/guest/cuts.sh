# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# cuts.sh PROTOCOL - one disk of many partitions, each what a crash may have left of the cache's (see
# ../cuts.sh): from each a cache is brought up, and what it makes the mount show is what the server has.
#
# The last 4 KiB of a partition say what it is, and "may be old:" which files a netfs that notices
# little may show as they were.
# shellcheck shell=sh

. /guest/lib.sh
. /guest/device.sh

# What it is in $moment; the server's files that it is to be right about in /tmp/there.
read_label() { # PARTITION
	sectors=$(cat "/sys/class/block/$1/size")
	dd "if=/dev/$1" bs=4096 skip=$((sectors / 8 - 1)) count=1 2>/dev/null | tr -d '\000' >/tmp/label
	moment="$1, $(head -n 1 /tmp/label)"
	sed -n 's/^may be old: //p' /tmp/label >/tmp/old
	to_be_right </tmp/all >/tmp/there
}

# Of a list of sums, all but the files named in /tmp/old.
to_be_right() {
	awk 'NR == FNR {for (i = 1; i <= NF; i++) old["./" $i] = 1; next} !($3 in old)' /tmp/old -
}

compare() { # WHAT
	hold_files "$moment: $1"
	sums /mnt 2>&1 | to_be_right >/tmp/here
	let_go
	cmp -s /tmp/there /tmp/here && return
	fail "$moment: $1: server (-) and mount (+) differ:
$(diff -U 0 /tmp/there /tmp/here | grep '^[-+]' | tail -n +3 | head -n 12)"
}

try() { # PARTITION
	read_label "$1"
	mount_cache_disk_of "$1"
	bind_device 0
	mount_cached
	reads=$(cache_reads)
	compare "after the crash"
	reads=$(($(cache_reads) - reads))
	case $1 in
	*[05])
		forget
		compare "and again"
		;;
	esac
	umount /mnt || die "$moment: can't unmount"
	unbind_device
	wait_until 60 umount /cache || die "$moment: the cache's disk is still in use"
	[ $disk_is != btrfs ] || io apart || die "$moment: the next disk would be taken for this one"
	say "tried $moment: $reads reads of the cache, $(wc -l </tmp/there) files"
	echo 3 >/proc/sys/vm/drop_caches
}

mount_cache_disk_of() { # PARTITION
	cache_disk=$1
	mount_cache_disk
}

serve "$1"
sums "$served" >/tmp/all
leave_served
load_module
whole=$cache_disk
for folder in "/sys/block/$whole/$whole"*; do
	try "${folder##*/}"
done
unload_module || fail "the module can't be removed"
finish
