# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# order.sh - 9P, whose label of a file may stay what it was when the file changes: before the server
# gets the first byte of a local write, what is stored is gone. Tracepoints say which came first.
# shellcheck shell=sh

. /guest/lib.sh
. /guest/files.sh

tracing=/sys/kernel/tracing

first_of_two() {
	sed -n 's/.*\(libfscache_modified\|P9_TWRITE\).*/\1/p' $tracing/trace | head -n 1
}

stored_is_gone_first() { # NAME
	grep -q P9_TWRITE $tracing/trace || fail "$1: nothing was written to the server"
	[ "$(first_of_two)" = libfscache_modified ] ||
		fail "$1: $(grep -m 4 'libfscache_modified\|P9_TWRITE' $tracing/trace)"
}

serve 9p
make_files 1
cache_up
mount_cached
mount -t tracefs none $tracing || skip "no tracefs"
for event in libfscache/libfscache_modified 9p/9p_client_req; do
	echo 1 >$tracing/events/$event/enable || skip "no tracepoint $event"
done
compare_all cold
settle
remount
for name in size-4194304 size-262145 size-4096 size-511 holes many/7; do
	# read, so that there is something, and its pages need no second read to be written to
	io sum "/mnt/$name" >/dev/null
	sync
	echo >$tracing/trace
	io put "/mnt/$name" 0 100 1
	sync "/mnt/$name"
	stored_is_gone_first "$name"
done
[ "$(cache_reads)" -gt 0 ] || fail "nothing was read from the cache"
umount /mnt
cache_down
finish
