# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# speed.sh PROTOCOL [MB [FILES [READS]]] - our module beside the kernel's cachefiles, in one boot:
# without a cache, then each twice, in turns, with a folder of its own that was empty. What is
# measured: a file read from end to end, READS reads of 4 KiB anywhere in another, and FILES files of 8 KiB; cold
# (the cache is filled) and warm (after a new mount, with nothing in memory). In brackets the CPU time
# of each, of all CPUs and for all that ran: by run.sh --count that is instructions, and repeats.
# shellcheck shell=sh

. /guest/lib.sh

megabytes=${2:-32} files=${3:-200} anywhere=${4:-300}

# In hundredths of a second.
busy() {
	awk -v cpus="$(nproc)" -v now="$(cut -d ' ' -f 1 /proc/uptime)" \
		'/^cpu / {printf "%d\n", now * 100 * cpus - $5 - $6}' /proc/stat
}

timed() { # COMMAND...
	was=$(busy)
	"$@"
	echo "($(($(busy) - was)) cs)"
}

# (what was written is stored in the background, for which cold reads pay as well)
measure() { # LABEL
	echo "$1:" $(timed io read /mnt/big), $(timed io rand /mnt/big2 "$anywhere" 1), \
		$(timed io readmany /mnt/m "$files"), stored $(timed settle)
}

one() { # LABEL
	stock_dir=/cache/$1
	mkdir -p "$stock_dir"
	load_module
	start_daemon "$stock_dir"
	mount_cached
	measure "$1 cold"
	cat /mnt/big2 >/dev/null
	settle
	remount
	kib=$(disk_read) server=$(server_read)
	measure "$1 warm"
	echo "$1 warm: $(($(disk_read) - kib)) KiB from the disk, server $(($(server_read) - server))"
	umount /mnt
	stop_daemon
	unload_module || die "the module can't be removed"
	forget
}

serve "$1"
mkdir -p "$served/m"
io fill "$served/big" $((megabytes << 20)) 1
io fill "$served/big2" $((megabytes << 19)) 2
io many "$served/m" "$files" 8192 3 >/dev/null
forget
mount_cache_disk
# (before there is a cache: 6.1's 9p uses it for cache=loose, too)
mount_uncached
measure "uncached"
umount /mnt
forget
for turn in 1 2; do
	guest_stock=1
	one "stock-$turn"
	guest_stock=
	[ ! -f /guest/libfscache.ko ] || one "libfscache-$turn"
done
umount /cache
finish
