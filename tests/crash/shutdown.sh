#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# shutdown.sh - the cache's filesystem is shut down under use: from then on every operation fails.
# All that is read comes right from the server, the cache is withdrawn, and what is found when it is
# mounted again is right. (What the cache says to be gone after that moment isn't: nothing can be
# removed from a disk that is down. A client whose coherency data don't change must look for itself
# then.)
#
#   shutdown.sh BUILD FS [ROUNDS] [--seed N] [--planted]         FS: ext4 or xfs
#
# --planted: a client that stores what declares data before the data, which must be caught.

. "$(dirname "$0")/lib.sh"
arguments "$@"
count=${count:-3}
control early
need python3
setup

# FS_IOC_SHUTDOWN. 1: its log is written first. 2: it is not, as if the power had failed.
shut_down() { # HOW
	python3 - "$mnt" "$1" <<-'END' >"$tmp/moment" 2>"$tmp/shutdown.err"
		import fcntl, os, struct, sys, time
		fd = os.open(sys.argv[1], os.O_RDONLY)
		before = time.monotonic_ns()
		fcntl.ioctl(fd, 0x8004587d, struct.pack("I", int(sys.argv[2])))
		print(before, time.monotonic_ns())
	END
}

started() {
	grep -q -s '^started' "$tmp/run.out"
}

bad() {
	caught=$((caught + 1))
	[ -z "$planted" ] || return 0
	fail "round $round ($how): something wrong is in the cache"
	said
}

one_round() {
	how=$((1 + round % 2))
	rm -f "$tmp/run.out"
	"$program" run "$journal" "$cache" --seed $((seed * 1000 + round)) --files 96 --seconds 3 \
		--save-ms 200 ${planted:+--planted "$planted"} >"$tmp/run.out" 2>"$tmp/run.err" &
	client=$!
	wait_until 10 started || die "the client did not start"
	sleep "1.$(random 900 instant)"
	shut_down "$how" || {
		kill "$client"
		wait "$client"
		skip "$fs can't be shut down: $(tail -n 1 "$tmp/shutdown.err")"
	}
	wait "$client" || {
		fail "round $round: status $?"
		head -n 20 "$tmp/run.out" "$tmp/run.err"
	}
	grep -q '^online=0' "$tmp/run.out" || {
		fail "round $round: the cache was not withdrawn"
		cat "$tmp/run.out"
	}
	umount "$mnt" || fail "round $round: umount"
	mount_image || die "round $round: mount: $(cat "$tmp/mount.log")"
	# The cache may be another, or none: without its log's last seconds the folder may be gone.
	[ -d "$cache" ] || make_cache
	read -r before after <"$tmp/moment"
	verified --seed $((seed * 1000 + round)) --cut "$after" --gone "$before" --compact || bad
}

make_image
mount_or_skip
make_cache
sync -f "$mnt"
round=0
while [ "$round" -lt "$count" ] && [ "$fsc_failed" = 0 ]; do
	one_round
	round=$((round + 1))
done
[ -z "$planted" ] || was_caught "in $caught of $round rounds"
echo "shutdown $fs: seed $seed, rounds 0 to $round, $(totals)"
finish
