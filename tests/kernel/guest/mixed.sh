# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mixed.sh ROUNDS SECONDS FILES PROTOCOL... - every kind of load on all mounts at
# once, without a cache and then with one that is too small, is unbound, and loses its module, in
# turns: no wrong bytes; nobody waits for longer than 5 s who wouldn't without a cache; and memory
# is back after each round.
#
# FILES of 1 MB in the mean are read on each mount. The cache's disk is filled up but for about 30 MB,
# which should be less than that.
# shellcheck shell=sh

. /guest/lib.sh

rounds=$1 seconds=$2 files=$3
shift 3
protocols=$* cache_folder=/cache/fsc

# --- The mounts ------------------------------------------------------------------------------

with_each() { # COMMAND...: with $protocol, $served and $mnt
	for protocol in $protocols; do
		case $protocol-$guest_kind in
		9p-uml | nfs-* | cifs-*) served=/srv ;;
		afs-*) served=/served ;;
		*) served=/share ;;
		esac
		mnt=/mnt/$protocol
		"$@"
	done
}

# One that has no server here is left out, and counts as a skip of tests/run.sh.
leave_out() {
	case $protocol-$guest_kind in
	9p-uml) server=diod ;;
	cifs-*) server=smbd ;;
	afs-*) server=fileserver ;;
	*) server= ;;
	esac
	if [ -z "$server" ] || command -v "$server" >/dev/null; then
		left="$left $protocol"
	else
		echo "LEFT OUT: $protocol, as there is no $server"
	fi
}

serve_one() {
	serve "$protocol"
	mkdir -p "$mnt"
	mixed make "$served/r-$protocol" "$files" || die "no files for $protocol"
}

unmount_one() {
	umount "$mnt" || die "can't unmount $mnt"
}

# Something else fills the disk, up to 24 MB before the cache has to make room.
take_room() {
	mkdir -p "$cache_folder"
	bytes=$(df -k /cache | awk 'END {printf "%.0f", ($4 - $2 / 10 - 24576) * 1024}')
	[ "$bytes" -le 0 ] || fallocate -l "$bytes" /cache/ballast || die "the disk can't be filled"
}

# --- The load --------------------------------------------------------------------------------

worker() { # NAME WHAT...
	name=$1
	shift
	seed=$((seed + 1))
	mixed "$@" $seed >"/tmp/load/$name" 2>&1 &
	workers="$workers $!"
}

load_one() {
	worker "$protocol-reader-1" read "$mnt/r-$protocol" "$files" "$seconds"
	worker "$protocol-reader-2" read "$mnt/r-$protocol" "$files" "$seconds"
	worker "$protocol-writer" write "$mnt/w-$protocol-$seed" "$seconds"
	worker "$protocol-names" names "$mnt/n-$protocol" "$seconds"
	# of 9p and cifs nothing tells that a file has changed on the server
	[ "$protocol" != nfs ] ||
		worker "$protocol-changer" change "$served/r-$protocol" "$files" "$seconds"
}

# What happens to the load, besides: nothing, or the cache goes and comes.
while_busy() { # LABEL
	turn=0
	while :; do
		wait_until $((seconds / 6 + 1)) all_ended && break
		turn=$((turn + 1))
		echo 1 >/proc/sys/vm/drop_caches
		[ "$1" = cached ] || continue
		culled=$((culled + $(counter objects_culled)))
		stop_daemon
		[ $((turn % 2)) = 1 ] || {
			unload_module || fail "the module can't be removed"
			load_module
		}
		start_daemon "$cache_folder"
	done
}

all_ended() {
	for worker in $workers; do
		! kill -0 "$worker" 2>/dev/null || return 1
	done
}

longest_of() { # milliseconds, of all workers
	cat /tmp/load/* | sed -n 's/.*longest \([0-9]*\) ms.*/\1/p' | sort -n | tail -n 1
}

run_load() { # LABEL
	rm -rf /tmp/load
	mkdir /tmp/load
	workers=
	with_each load_one
	while_busy "$1"
	for worker in $workers; do
		wait "$worker" || failed=1
	done
	for report in /tmp/load/*; do
		say "$1 ${report##*/}: $(tail -n 1 "$report")"
	done
	longest=$(longest_of)
}

# --- What is left ----------------------------------------------------------------------------

# KiB that are neither free nor a cache of anything
memory_used() {
	awk '{kib[$1] = $2} END {print kib["MemTotal:"] - kib["MemFree:"] - kib["Buffers:"] -
		kib["Cached:"] - kib["SReclaimable:"]}' /proc/meminfo
}

# What is freed late (by RCU, or a worker) is waited for: until it gets no less any more.
memory() {
	sync
	lowest=$(memory_used) calm=0
	while [ $calm -lt 6 ]; do
		echo 3 >/proc/sys/vm/drop_caches
		usleep 300000
		used=$(memory_used)
		if [ "$used" -lt $((lowest - 100)) ]; then
			lowest=$used calm=0
		else
			calm=$((calm + 1))
		fi
	done
	slabs=$(sed -n 's/SUnreclaim: *//p' /proc/meminfo)
	say "$1: $lowest KiB used, of slabs that can't be reclaimed $slabs"
}

compare_one() {
	for folder in "r-$protocol" "n-$protocol"; do
		sums "$served/$folder" >/tmp/there
		sums "$mnt/$folder" >/tmp/here 2>&1
		cmp -s /tmp/there /tmp/here || fail "$protocol: $folder differs at the end"
	done
	for file in "$served/w-$protocol-"*; do
		cmp "$file" "$mnt/${file##*/}" || fail "$protocol: what was written differs"
		rm "$mnt/${file##*/}"
	done
}

counter() { # NAME: since the cache was bound
	sed -n "s/^$1 //p" /proc/fs/libfscache/stats 2>/dev/null || echo 0
}

uncached() {
	with_each mount_uncached
	run_load uncached
	[ "$longest" -le "$worst_uncached" ] || worst_uncached=$longest
	with_each compare_one
	with_each unmount_one
}

cached() {
	load_module
	start_daemon "$cache_folder"
	with_each mount_cached
	run_load cached
	[ "$longest" -le "$worst_cached" ] || worst_cached=$longest
	sync
	forget
	culled=$((culled + $(counter objects_culled)))
	with_each compare_one
	say "$(cache_reads) reads of the cache so far; $culled objects culled"
	with_each unmount_one
	stop_daemon
	unload_module || fail "the module can't be removed"
}

seed=0 culled=0 worst_uncached=0 worst_cached=0
left=
with_each leave_out
[ -n "$left" ] || skip "no protocol has a server"
protocols=$left
mount_cache_disk
take_room
with_each serve_one
forget
round=0
while [ $round -lt "$rounds" ] && [ "$failed" = 0 ]; do
	round=$((round + 1))
	memory "round $round"
	uncached
	memory "round $round, uncached"
	cached
	memory "round $round, cached"
	[ $round != 1 ] || first=$lowest
done
[ $((lowest - first)) -lt 3000 ] ||
	fail "after round 1 $first KiB of memory were in use, now $lowest"
[ "$(cache_reads)" -gt 0 ] || fail "nothing was read from the cache"
[ -n "$guest_stock" ] || [ $culled -gt 0 ] || fail "nothing was culled: too much room"
[ "$worst_cached" -le 5000 ] || [ "$worst_cached" -le "$worst_uncached" ] ||
	fail "somebody waited for $worst_cached ms, and without a cache for $worst_uncached ms at most"
say "longest without a cache $worst_uncached ms, with one $worst_cached ms"
finish
