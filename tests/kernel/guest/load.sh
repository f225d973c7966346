# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# load.sh PROTOCOL [ROUNDS] - the cache goes and comes again, and its module too, below mounts that
# are read and written: nobody notices, no bytes are wrong, nothing hangs.
#
# The readers compare with what was on the server before; the writers, each in a file of its own,
# with a copy that went through no network.
# shellcheck shell=sh

. /guest/lib.sh
. /guest/files.sh

rounds=${2:-4}

reader() {
	while [ -e /tmp/go ]; do
		sums /mnt/kept >/tmp/sums.$$.$1 2>&1
		cmp -s /tmp/kept /tmp/sums.$$.$1 || {
			echo "reader $1: $(diff -U 0 /tmp/kept /tmp/sums.$$.$1 | head -n 5)" >>/tmp/bad
			return
		}
		echo "reader $1" >>/tmp/done
	done
}

writer() { # NUMBER
	file=/mnt/written.$1 model=/tmp/written.$1 turn=$1
	io fill "$file" 300000 "$1" && cp "$file" "$model"
	while [ -e /tmp/go ]; do
		turn=$((turn + 2))
		for each in $file $model; do
			io put "$each" $((turn * 7919 % 400000)) $((turn * 1237 % 50000)) $turn
			truncate -s $((200000 + turn * 4801 % 300000)) "$each"
		done
		[ $((turn % 3)) != 0 ] || sync "$file"
		cmp "$file" "$model" >>/tmp/bad 2>&1 || return
		echo "writer $1" >>/tmp/done
	done
}

# Each reader and writer has done something more; or one has nothing good to tell.
all_went_on() {
	[ ! -s /tmp/bad ] || return 0
	for who in "reader 1" "reader 2" "writer 1" "writer 2"; do
		[ "$(grep -c "$who" /tmp/done)" -gt "$(grep -c "$who" /tmp/before)" ] || return 1
	done
}

go_on() { # WHAT
	cp /tmp/done /tmp/before
	wait_until 120 all_went_on || fail "$1: nothing is read or written any more"
	echo 1 >/proc/sys/vm/drop_caches
	[ ! -s /tmp/bad ] || fail "$1: $(head -n 5 /tmp/bad)"
}

# What was stored meanwhile is read again: dropped now and then, until some comes from the cache. (On
# 6.12, 9P stores what was read when it writes back, half a minute later.)
go_on_with_cache() { # WHAT
	go_on "$1"
	reads=$(cache_reads)
	looks_up_late || wait_until 120 comes_from_cache || fail "$1: nothing comes from the cache"
	go_on "$1"
}

comes_from_cache() {
	[ "$(cache_reads)" -le "$reads" ] || return 0
	[ ! -s /tmp/bad ] || return 0
	sync
	echo 1 >/proc/sys/vm/drop_caches
	usleep 500000
	return 1
}

serve "$1"
mkdir -p "$served/kept"
(served=$served/kept && make_files 1)
sums "$served/kept" >/tmp/kept
cache_up
mount_cached
touch /tmp/go
: >/tmp/bad
: >/tmp/done
workers=
for number in 1 2; do
	reader $number &
	workers="$workers $!"
	writer $number &
	workers="$workers $!"
done

exec 3</mnt/kept/size-4194304
go_on_with_cache "with the cache"
round=0
while [ $round -lt "$rounds" ] && [ $failed = 0 ]; do
	round=$((round + 1))
	say "round $round"
	stop_daemon
	go_on "without cachefilesd"
	unload_module || fail "the module can't be removed below a mount"
	go_on "without a module"
	load_module
	start_daemon
	go_on_with_cache "with the cache back"
done
rm /tmp/go
# shellcheck disable=SC2086 # words
wait $workers
[ ! -s /tmp/bad ] || fail "at the end: $(head -n 5 /tmp/bad)"
say "$(grep -c reader /tmp/done) rounds of reading, $(grep -c writer /tmp/done) of writing," \
	"$(cache_reads) reads of the cache"

# what was open all the time
echo 3 >/proc/sys/vm/drop_caches
cmp "$served/kept/size-4194304" - <&3 || fail "a file that was open all the time differs"
exec 3<&-
sync
forget
compare_all "at the end"
umount /mnt
cache_down
finish
