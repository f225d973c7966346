# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# press.sh PROTOCOL - a file that is open and larger than the cache may be does not keep others out
# for ever, and nobody reads a wrong byte of it. Of several in use no more is given up than it takes,
# and not the one that is largest but of which little is stored.
# shellcheck shell=sh

. /guest/lib.sh
. /guest/files.sh

used() {
	sed -n 's/^bytes_used //p' /proc/fs/libfscache/stats
}

# (begun, and ended again: at first nothing is used)
has_room() {
	[ "$(used)" -lt 2000000 ]
}

culled() {
	sed -n 's/^NoSpace: .* cull=//p' /proc/fs/fscache/stats
}

bind() { # MAX_BYTES
	exec 4<>/dev/cachefiles
	for command in "dir /cache" "tag guest" "max_bytes $1" bind; do
		io say "$command" >&4 || die "not bound"
	done
}

# How many files of which some bytes come from the server.
count_cold() { # FILE...
	cold=0
	for file; do
		server=$(server_read)
		dd if="$file" bs=4k count=1 of=/dev/null 2>/dev/null
		[ "$(server_read)" -eq "$server" ] || cold=$((cold + 1))
	done
}

# 48 of 512 KiB, and a large one of which little is stored, are 93 % of 26 MiB. Three more fit, to 99 %,
# the fourth doesn't: so some are given up, to below 95 %, which is 25899827.
several_in_use() {
	first=$(culled) number=0
	while [ $number -lt 52 ]; do
		number=$((number + 1))
		io fill "$served/part-$number" 524288 $number
	done
	mv "$served/part-52" "$served/next"
	truncate -s 100M "$served/sparse"
	bind $((26 << 20))
	mount_cached
	io hold /mnt/sparse /mnt/part-* /mnt/next >/tmp/held &
	held=$!
	wait_until 60 grep -qs held /tmp/held || die "no files are held open"
	dd if=/mnt/sparse bs=4k count=1 of=/dev/null 2>/dev/null
	for file in /mnt/part-*; do
		io read "$file" >/dev/null
	done
	settle
	before=$(culled)
	say "in use: $(used) bytes are used"
	io read /mnt/next >/dev/null
	settle
	given=$(($(culled) - before))
	echo 1 >/proc/sys/vm/drop_caches
	count_cold /mnt/part-*
	parts=$cold
	count_cold /mnt/sparse
	say "in use: $given given up, $parts of 51 are cold, the large one: $cold; $(used) bytes are used"
	[ "$(used)" -lt 25899828 ] || fail "too little was given up"
	[ "$(used)" -ge $((25899827 - 524288)) ] || fail "more was given up than it took"
	[ "$before" = "$first" ] || fail "$((before - first)) were given up below the limits"
	[ $given = $parts ] || fail "not each of them gave room"
	[ $cold = 0 ] || fail "that of which little is stored is cold"
	kill $held
	wait $held 2>/dev/null
}

serve "$1"
make_files 1
mount_cache_disk
load_module
bind 3000000
mount_cached
exec 5</mnt/size-4194304
part=0
while [ $part -lt 16 ]; do # (in one, it would not begin to fit)
	dd if=/mnt/size-4194304 bs=256k skip=$part count=1 of=/dev/null 2>/dev/null
	sync
	part=$((part + 1))
done
[ "$(cache_writes)" -gt 0 ] || fail "nothing of the large file was stored"
wait_until 30 has_room || fail "a file in use holds $(used) bytes"
[ "$(du -sk /cache/cache | cut -f 1)" -lt 3400 ] || fail "$(du -sk /cache/cache) are used"
sums /mnt/many >/dev/null
settle
echo 1 >/proc/sys/vm/drop_caches
reads=$(cache_reads) server=$(server_read)
sums /mnt/many >/tmp/here
server=$(($(server_read) - server))
say "$(($(cache_reads) - reads)) reads of the cache, from the server: $server"
sums "$served/many" >/tmp/there
cmp -s /tmp/there /tmp/here || fail "small files differ"
[ "$(cache_reads)" -gt "$reads" ] || fail "nothing was read from the cache"
[ $server = 0 ] || fail "what was read meanwhile was not kept"
cmp "$served/size-4194304" - <&5 || fail "the large file differs"
exec 5<&-
compare_all "at the end"
umount /mnt
io say unbind >&4 || die "not unbound"
exec 4>&-
# (what is stored of other files takes room until it is culled)
rm -r /cache/*
several_in_use
umount /mnt
exec 4>&-
unload_module || fail "the module can't be removed"
wait_until 30 umount /cache || fail "the cache's disk is still in use"
finish
