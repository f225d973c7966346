#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# cut.sh - the power fails. A client with everything in flight runs on a disk that logs its writes
# and flushes; then the disk is made as a cut at many a moment may have left it (what was not
# flushed is there, or not, or in part), mounted, its filesystem recovers, and all that is in the
# cache is verified against what the client's journal said at that moment.
#
#   cut.sh BUILD FS [CUTS] [--state FOLDER] [--seed N] [--planted | --planted-nosync]
#
# With a state FOLDER the cuts done before count. On ext4 without a journal the machine was started
# anew, and the cache must come up empty. --planted: a client that stores what declares data before
# the data; --planted-nosync: one that never syncs. Either must be caught.

. "$(dirname "$0")/lib.sh"
arguments "$@"
count=${count:-15}
[ -x "$disk" ] || skip "no libfuse3"
[ -c /dev/fuse ] || skip "no /dev/fuse"
control early
! option planted-nosync || planted=nosync
setup

# Cuts of one recording, and its length.
per_run=40
seconds=6
[ "$count" -gt 20 ] || {
	per_run=8
	seconds=4
}

loop=
disk_pid=
client_pid=
at_exit 'take_down'

take_down() {
	[ -z "$client_pid" ] || { kill -KILL "$client_pid" && wait "$client_pid"; } 2>/dev/null
	client_pid=
	unmount_now
	[ -z "$loop" ] || losetup -d "$loop"
	loop=
	! mountpoint -q "$tmp/disk" || umount -l "$tmp/disk"
	[ -z "$disk_pid" ] || wait "$disk_pid"
	disk_pid=
}

set_up_disk() {
	mkdir -p "$tmp/disk"
	make_image
	cp --sparse=always "$image" "$tmp/base" || die "cp"
	"$disk" serve "$image" "$tmp/log" "$tmp/disk" 2>"$tmp/disk.err" &
	disk_pid=$!
	wait_until 10 mountpoint -q "$tmp/disk" || skip "FUSE: $(tail -n 1 "$tmp/disk.err")"
	loop=$(losetup --direct-io=on --show -f "$tmp/disk/disk" 2>"$tmp/loop.err") ||
		skip "losetup: $(tail -n 1 "$tmp/loop.err")"
	mount_or_skip "$loop"
}

started() {
	[ -s "$tmp/run.out" ] || return 1
	from=$(sed -n 's/^started //p' "$tmp/run.out")
	[ -n "$from" ]
}

# What is given up before the kill: the client's journal says what is to be found.
record() {
	options="--seed $((seed * 1000 + round)) $(world $((round / per_run)))"
	case $(($(random 3 save) + ${#planted})) in
	0) options="$options --save-ms 50" ;;
	1) options="$options --save-ms 300" ;;
	esac
	[ -z "$planted" ] || options="$options --planted $planted --save-ms 50"
	rm -f "$journal" "$tmp/run.out"
	set_up_disk
	make_cache
	# shellcheck disable=SC2086 # words
	"$program" run "$journal" "$cache" $options >"$tmp/run.out" 2>&1 &
	client_pid=$!
	wait_until 10 started || die "the client did not start: $(cat "$tmp/run.out")"
	sleep "$seconds"
	kill -0 "$client_pid" 2>/dev/null || fail "the client ended: $(tail -n 3 "$tmp/run.out")"
	to=$((from + seconds * 1000000000))
	! grep WRONG "$tmp/run.out" || fail "while it ran: seed $((seed * 1000 + round)), $options"
	take_down
	"$disk" info "$tmp/log" >"$tmp/info" || die "the disk's log"
	[ "$(sed 's/.*flushes=\([0-9]*\).*/\1/' "$tmp/info")" -gt 5 ] ||
		die "flushes did not reach the disk: $(cat "$tmp/info")"
}

one_cut() {
	"$disk" cut "$tmp/log" "$tmp/base" "$image" $((seed * 100000 + round)) "$from" "$to" \
		>"$tmp/moment" 2>"$tmp/cut.err" || die "cut: $(cat "$tmp/cut.err")"
	read -r moment record remains <"$tmp/moment"
	# What has no log to recover from is checked before it is used.
	[ "$fs" != ext4-nojournal ] || e2fsck -fy "$image" >"$tmp/fsck.log" 2>&1
	if ! mount_image; then
		unmountable=$((unmountable + 1))
		echo "cut $round ($remains, record $record): not mountable: $(cat "$tmp/mount.log")"
		return 0
	fi
	set -- --seed $((seed * 100000 + round)) --cut "$moment"
	[ "$fs" != ext4-nojournal ] || set -- "$@" --other-boot --empty
	[ -d "$cache" ] || make_cache
	verified "$@"
	fsc_status=$?
	umount "$mnt" || fail "umount"
	return $fsc_status
}

cuts() {
	unmountable=0
	recorded=
	first=$round
	while [ "$round" -lt "$count" ]; do
		if [ -z "$recorded" ] || [ $((round % per_run)) = 0 ]; then
			record
			recorded=1
		fi
		if ! one_cut; then
			caught=$((caught + 1))
			[ -n "$planted" ] && break
			fail "cut $round ($remains, record $record, moment $moment)"
			said
			[ -z "${FSC_KEEP-}" ] || cp -r "$tmp" "$FSC_KEEP"
			break
		fi
		round=$((round + 1))
		[ -n "$planted" ] || round_is_done "cut-$fs" "$round"
	done
}

[ -n "$planted" ] && round=0 || round=$(rounds_done "cut-$fs")
cuts
[ -z "$planted" ] || was_caught "by cut $((round + 1))"
[ "$fs" = ext4-nojournal ] || enough_survived
[ $((unmountable * 10)) -le $((round - first)) ] || fail "$unmountable were not mountable"
echo "cut $fs: seed $seed, cuts $first to $round, $unmountable not mountable," \
	"$(cat "$tmp/info" 2>/dev/null) $(totals)"
finish
