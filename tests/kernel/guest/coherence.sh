# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# coherence.sh PROTOCOL [control] - what the mount shows is what the server has: cold, warm, after
# every kind of change on either side, each with the page cache and without; and warm means from
# the cache.
#
# control: all is right, then the bytes in the cache are broken. That has to be seen, or it fails.
# shellcheck shell=sh

. /guest/lib.sh
. /guest/files.sh

# It's the bytes that have to differ: that the server is asked again would be no proof.
control() {
	[ $failed = 0 ] || finish
	break_cache
	sum_server
	sums /mnt >/tmp/here 2>&1
	[ "$(wc -l </tmp/here)" = "$(wc -l </tmp/there)" ] || die "files can't be read: $(cat /tmp/here)"
	! cmp -s /tmp/there /tmp/here || die "broken bytes were not found"
	say "found, as it should be: $(diff -U 0 /tmp/there /tmp/here | grep -c '^+[0-9a-f]') files differ"
	finish
}

break_cache() {
	find /cache/cache /cache/fscache -type f -size +8k 2>/dev/null | while read -r file; do
		io put "$file" 4096 16 99
	done
	sync
}

restored() { # FILE SEED: with the times of then
	io fill "$1" 300000 "$2"
	touch -d @1500000000 "$1"
}

serve "$1"
make_files 1
cache_up
mount_cached
compare_all cold
compare_all "from the page cache"
settle
remount
[ "${2-}" != control ] || control
compare_all_cached "warm"

say "changed on the server, not mounted"
umount /mnt
forget
change_server 2
mount_cached
compare_all "after a change on the server"
settle
remount
compare_all_cached "warm again"

say "changed through the mount"
[ "$protocol-$guest_kind" = 9p-uml ] || change_back /mnt 3
change_files /mnt 4
sync
compare_all "after writes"
forget
compare_all "after writes, forgotten"
settle
remount
compare_all "after writes, mounted again"
settle
remount
compare_all_cached "warm after writes"

nobody_uses() {
	grep -q '^LRU .* n=0 ' /proc/fs/fscache/stats
}

# Not all netfses tell the cache of it: what was stored would be where there are zeroes now.
cut_by_name() { # WHEN
	io cut /mnt/size-65536 4096 65536
	sync
	echo 1 >/proc/sys/vm/drop_caches # its inode stays
	compare_all "cut and grown by name, $1"
}

say "cut and grown by name"
exec 3</mnt/size-65536
compare_all "before it is cut"
settle
echo 1 >/proc/sys/vm/drop_caches
cut_by_name "while it is open"
exec 3<&-
io put /mnt/size-65536 0 65536 9
sync
remount
compare_all "written anew"
settle
echo 1 >/proc/sys/vm/drop_caches
exec 3</mnt/size-65536
io sum /mnt/size-65536 >/dev/null
settle
exec 3<&-
wait_until 40 nobody_uses || fail "cookies that nobody uses stay in use"
echo 1 >/proc/sys/vm/drop_caches
cut_by_name "when nobody had used it for long"
# (a server without versions would let what is stored be taken for it by the next mount)
io put /mnt/size-65536 0 65536 10
sync

say "both"
io put /mnt/size-4194304 3000000 70000 5
umount /mnt
forget
[ "$protocol-$guest_kind" = 9p-uml ] || {
	io put "$served/size-4194304" 3030000 10 6
	tick "$served/size-4194304"
}
mount_cached
compare_all "changed on both sides"

# What 9P says of the version of a file may be of before it was written to, and again of the old one.
say "a file that was written to, and on the server is again what it was"
[ "$protocol-$guest_kind" = 9p-uml ] || {
	restored "$served/restored" 7
	io sum "/mnt/restored" >/tmp/first
	exec 3</mnt/restored
	settle
	io fill /mnt/restored 300000 8
	sync
	echo 1 >/proc/sys/vm/drop_caches
	io sum /mnt/restored >/dev/null
	settle
	exec 3<&-
	umount /mnt
	forget
	restored "$served/restored" 7
	mount_cached
	io sum /mnt/restored | cmp -s - /tmp/first || fail "restored: not what the server has"
}

umount /mnt
cache_down
finish
