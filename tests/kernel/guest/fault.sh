# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# fault.sh PROTOCOL memory|function|disk [SEED] - memory that the module's work asks for is not there,
# now and then; or its functions fail; or the cache's disk does. The mount must not notice: the
# server's bytes, no errors, nothing hangs. Afterwards, with all well again, the cache is as good as
# ever.
#
# First one failure after the other, while the module is loaded (memory), a cache is bound, and a file
# is read. Then by chance. For debug kernels, which find what is left over, or used though it isn't there.
# shellcheck shell=sh

. /guest/lib.sh
. /guest/files.sh
. /guest/inject.sh

seed=${3:-1}
case $2 in
memory) kinds="failslab fail_page_alloc" ;;
function) kinds=fail_function ;;
disk) kinds=fail_make_request ;;
*) die "memory, functions or the disk fail" ;;
esac

inject_all() { # PERCENT
	# shellcheck disable=SC2086 # words
	inject "$1" $kinds
}

# --- One after the other ----------------------------------------------------------------------

# WHAT fails at each place that it can fail at, until there's none any more; then it hasn't failed.
each_place() { # LIMIT WHAT...
	last_place=$1
	shift
	place=0 refused=0
	while place=$((place + 1)); [ $place -le "$last_place" ]; do
		said=$(fail_at $place "$@") || fail "$1, place $place: $said"
		after_place
		case $said in
		*" in vain") break ;;
		failed*) refused=$((refused + 1)) ;;
		esac
	done
	say "$1: $place places, refused $refused times; at last: $said"
	[ $place -gt 1 ] || fail "$1: there is no place"
	case $said in
	failed*" in vain") fail "$1: $said" ;;
	esac
}

# A function that fails does so out of nth's sight (a probe has stopped the CPU then, and it's no task's
# doing), but fail_function can be told to let so many calls pass, of whatever task, and to fail one.
fail_at() { # PLACE WHAT...
	if [ "$kinds" != fail_function ]; then
		nth "$@"
		return
	fi
	fail_once "$1"
	shift
	said=$(nth 0 "$@")
	wrong=$?
	has_failed_once || said="$said in vain"
	echo "$said"
	return $wrong
}

load_each_place() {
	for needed in $guest_depends; do
		modprobe "$needed"
	done
	for kind in $kinds; do
		echo 0 >"$debug/$kind/verbose"
		aim_below_init "$kind"
	done
	after_place() { ! grep -q '^libfscache ' /proc/modules || rmmod libfscache; }
	# shellcheck disable=SC2154 # job
	each_place 2000 load /guest/libfscache.ko "$guest_parameters"
	[ $refused -gt 0 ] || fail "no failure has reached loading"
}

bind_each_place() {
	after_place() {
		wait_until 60 cache_is_gone || fail "the cache is still there"
	}
	each_place 2000 bind /cache
	[ $refused -gt 0 ] || fail "no failure has reached binding"
}

# A file that the cache has, and one that it has not.
read_each_place() {
	after_place() {
		echo 3 >/proc/sys/vm/drop_caches
	}
	each_place 60 same /mnt/size-262145 "$served/size-262145"
}

# --- By chance --------------------------------------------------------------------------------

# Four players at once; of what they find wrong, play.sh knows more.
play_all() {
	below=-
	[ "$protocol" != nfs ] || below=$served
	players=
	for number in 1 2 3 4; do
		play /mnt $below "p$number" 300 $((seed * 4 + number)) >"/tmp/play.$number" 2>&1 &
		players="$players $!"
	done
	for player in $players; do
		wait "$player" || fail "playing: $(tail -n 3 /tmp/play.*)"
	done
	rm -f /mnt/p?.*
}

use() {
	compare_all "cold"
	settle
	remount
	compare_all "warm"
	umount /mnt
	forget
	change_server 2
	mount_cached
	compare_all "changed on the server"
	change_files /mnt 3
	sync
	compare_all "changed through the mount"
	forget
	compare_all "and forgotten"
	play_all
	sync
	forget
	compare_all "after playing"
}

serve "$1"
make_files 1
mount_cache_disk
[ "$2" != memory ] || ! can_inject $kinds || load_each_place
load_module
# shellcheck disable=SC2086 # words
can_inject $kinds || skip "this kernel injects no such faults"
# shellcheck disable=SC2086 # words
aim $kinds
[ "$2" = disk ] || bind_each_place
start_daemon
mount_cached
if [ "$2" != disk ]; then
	read_each_place
	umount /mnt
	stop_daemon
	start_daemon
	mount_cached
fi
inject_all "$([ "$2" = disk ] && echo 1 || echo 4)"
use
say "$(cache_reads) reads of the cache, $(cache_writes) writes"
# (a disk that fails is given up by its filesystem soon, for good)
[ "$2" = disk ] || [ "$(cache_reads)" -gt 0 ] || fail "nothing was read from the cache"

say "the cache goes"
stop_daemon
inject_all 0
# shellcheck disable=SC2086 # words
have_injected "$([ "$2" = disk ] && echo 1 || echo 20)" $kinds
compare_all "without the cache"
if [ "$2" != disk ]; then
	start_daemon
	umount /mnt
	mount_cached
	compare_all "and all is well again"
	settle
	remount
	compare_all_cached "warm, and all is well again"
	stop_daemon
fi
umount /mnt
unload_module || fail "the module can't be removed"
wait_until 30 umount /cache || fail "the cache's disk is still in use"
finish
