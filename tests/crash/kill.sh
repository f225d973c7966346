#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# kill.sh - a client with everything in flight is killed (kill -9) at a random instant, again and
# again on the same cache; after each time all that is in the cache is verified.
#
#   kill.sh BUILD FS [ROUNDS] [--state FOLDER] [--seed N] [--planted]
#
# With a state FOLDER the rounds done before count. --planted: a client that stores what declares
# data before the data, which must be caught.

. "$(dirname "$0")/lib.sh"
arguments "$@"
count=${count:-15}
control early
setup
client_pid=
at_exit '[ -z "$client_pid" ] || kill -KILL "$client_pid"'
mkfifo "$tmp/fifo"
opened=0
every=20
[ "$count" -gt 20 ] || every=8

# A new cache, of another kind, now and then, a new filesystem more seldom.
prepare() {
	if ! mountpoint -q "$mnt" || [ $((round % 100)) = 0 ]; then
		unmount_now
		make_image
		mount_or_skip
		rm -f "$journal"
		make_cache
	elif [ $((round % every)) = 0 ]; then
		rm -f "$journal"
		make_cache
	fi
}

one_round() {
	options="--seed $((seed * 100000 + round)) $(world $((round / every)))"
	case $(random 4 save) in
	0) options="$options --save-ms 10" ;;
	1) options="$options --save-ms 50" ;;
	2) options="$options --save-ms 150" ;;
	esac
	case $(random 4 cull) in
	0) options="$options --cull --max-bytes 6000000" ;;
	esac
	[ -z "$planted" ] || options="$options --planted $planted --save-ms 10"
	ms=$(random 400 instant)
	kill_it_after "$ms"
	! grep WRONG "$tmp/run.out" || fail "round $round ($ms ms, $options)"
}

# After its first breath, which is when the cache is open; one time in four while it is opened.
kill_it_after() { # MILLISECONDS
	# shellcheck disable=SC2086 # words
	"$program" run "$journal" "$cache" $options >"$tmp/fifo" 2>"$tmp/run.err" &
	client_pid=$!
	exec 3<"$tmp/fifo"
	if [ "$(random 4 early)" != 0 ]; then
		read -r fsc_line <&3 || fail "round $round: it did not start"
		opened=$((opened + 1))
	fi
	sleep "$(printf '0.%03d' "$1")"
	kill -KILL "$client_pid"
	wait "$client_pid"
	[ $? = 137 ] || fail "round $round: it had ended"
	client_pid=
	cat <&3 >"$tmp/run.out"
	exec 3<&-
}

# Every so often the count of bytes as well, which takes a scan.
check_round() {
	options="--seed $((seed * 100000 + round)) --compact"
	[ $((round % 10)) != 9 ] || options="$options --account"
	# shellcheck disable=SC2086 # words
	verified $options
}

rounds() {
	first=$round
	while [ "$round" -lt "$count" ]; do
		prepare
		one_round
		if ! check_round; then
			caught=$((caught + 1))
			[ -n "$planted" ] && break
			fail "round $round ($ms ms, $options)"
			said
			break
		fi
		round=$((round + 1))
		[ -n "$planted" ] || round_is_done "kill-$fs" "$round"
	done
}

[ -n "$planted" ] && round=0 || round=$(rounds_done "kill-$fs")
rounds 2>/dev/null
[ -z "$planted" ] || was_caught "in round $((round + 1))"
enough_survived
echo "kill $fs: seed $seed, rounds $first to $round, $opened of them once open, $(totals)"
finish
