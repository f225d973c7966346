# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# stress.sh PROTOCOL STEPS [SEED] - what others use to find out whether a filesystem keeps its
# bytes, on a cached mount: xfstests' fsx in several ways at once, dbench, and a compiler whose
# sources and results are all there. The disks: Debian, xfstests. See ../stress.sh.
# shellcheck shell=sh

. /guest/lib.sh
. /guest/debian.sh

steps=$2 seed=${3:-1}

show_mount() {
	mount --bind /mnt /debian/mnt || die "no mount in Debian"
}

mount_again() {
	umount /debian/mnt
	remount
	show_mount
}

# Forgets what is in memory while others work.
start_dropping() {
	while usleep 500000; do
		echo 3 >/proc/sys/vm/drop_caches
	done &
	dropper=$!
}

fsx() { # NAME OPTION...
	file=/mnt/fsx-$1 log=/tmp/fsx-$1.log
	shift
	in_debian /xfstests/ltp/fsx -q -N "$steps" -S "$seed" -l 600000 -P /tmp "$@" "$file" \
		>"$log" 2>&1
}

# By read, write and mmap; closing the file now and then; with nothing left in the page cache; past
# it.
all_fsx() {
	fsx plain &
	all=$!
	fsx close -c 20 -R -W &
	all="$all $!"
	fsx flush -f -c 50 &
	all="$all $!"
	if in_debian /bin/dd if=/dev/zero of=/mnt/direct bs=4096 count=1 oflag=direct 2>/tmp/direct; then
		fsx direct -Z -R -W -r 4096 -w 4096 -t 4096 &
		all="$all $!"
	elif [ "$protocol" = 9p ]; then
		say "fsx: not past the page cache: $(cat /tmp/direct)"
	else
		fail "fsx: nothing goes past the page cache: $(cat /tmp/direct)"
	fi
	for one in $all; do
		wait "$one" || fail "fsx: $(tail -n 4 /tmp/fsx-*.log)"
	done
}

# The programs of xfstests, from the mount into the mount, or from and to FOLDER for comparison.
compile() { # FOLDER
	in_debian /bin/sh -c 'cd "$1/tree/src" && mkdir -p "../$2" &&
		for name in [a-d]*.c; do
			gcc -O1 -w -I../include -D_GNU_SOURCE -DHAVE_FALLOCATE -c "$name" \
				-o "../$2/${name%.c}.o" 2>/dev/null
		done
		cd "../$2" && sha1sum *.o' compile "$1" "$2"
}

build() {
	mkdir -p "$served/tree" /debian/root/tree
	for name in src include; do
		cp -r "/debian/xfstests/$name" "$served/tree/" &&
			cp -r "/debian/xfstests/$name" /debian/root/tree/ || die "no sources"
	done
	compile /root objects >/tmp/wanted
	[ "$(wc -l </tmp/wanted)" -gt 10 ] || die "nothing can be compiled: $(cat /tmp/wanted)"
	for pass in cold warm; do
		server=$(server_read) reads=$(cache_reads)
		compile /mnt "$pass" >/tmp/got
		cmp -s /tmp/wanted /tmp/got || fail "compiled $pass, objects differ:
$(diff /tmp/wanted /tmp/got | head -n 10)"
		say "compiled, $pass: $(wc -l </tmp/got) objects," \
			"$(($(cache_reads) - reads)) reads of the cache, from the server: $(($(server_read) - server))"
		[ $pass = cold ] || [ $(($(cache_reads) - reads)) -gt 0 ] ||
			fail "the compiler's sources did not come from the cache"
		settle
		mount_again
	done
}

debian_up
serve "$1"
cache_up
mount_cached
show_mount
build
start_dropping
all_fsx
say "fsx: $(echo "$all" | wc -w) of $steps steps"
in_debian /usr/bin/dbench -D /mnt -t 20 -c /usr/share/dbench/client.txt 3 >/tmp/dbench.log 2>&1 ||
	fail "dbench: $(tail -n 5 /tmp/dbench.log)"
say "dbench: $(grep Throughput /tmp/dbench.log)"
kill $dropper
sync
forget
compare_all "at the end"
settle
mount_again
compare_all_cached "at the end, warm"
umount /debian/mnt
umount /mnt
cache_down
finish
