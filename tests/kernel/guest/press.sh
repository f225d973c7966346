# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# press.sh PROTOCOL - a file that is open and larger than the cache may be does not keep others out
# for ever, and nobody reads a wrong byte of it.
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

serve "$1"
make_files 1
mount_cache_disk
load_module
exec 4<>/dev/cachefiles
for command in "dir /cache" "tag guest" "max_bytes 3000000" bind; do
	io say "$command" >&4 || die "not bound"
done
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
exec 4>&-
unload_module || fail "the module can't be removed"
wait_until 30 umount /cache || fail "the cache's disk is still in use"
finish
