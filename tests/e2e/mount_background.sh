#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount_background.sh - mount without -f: it returns when the mount answers, or says why it can't, and
# with what status. And what -o takes.

. "$(dirname "$0")/mount_lib.sh"
setup_mounts
serve
mkdir "$tmp/a"
echo hello >"$export/file"

mounting() { # OPTION...: $status
	# shellcheck disable=SC2046 # words
	timeout -k 5 60 "$program" --server "${where:-$server}" --aname "$export" \
		--cache "$tmp/cache" mount "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
}

daemon_gone() {
	! pgrep -f -- "$program .*mount.*$tmp/[ab]" >/dev/null
}

unmounted() {
	fusermount3 -u "$tmp/a" || wrong "it can't be unmounted"
	wait_until 30 daemon_gone || wrong "the program goes on"
}

refused() { # STATUS PATTERN
	[ "$status" = "$1" ] || wrong "status $status, wanted $1"
	says "$2"
	! is_mounted a || {
		wrong "it is mounted"
		unmounted
	}
}

begin "in the background"
mounting "$tmp/a"
status_is 0
quiet
[ "$(cat "$tmp/a/file")" = hello ] || wrong "it doesn't answer"
[ -z "$(timeout 5 cat "$tmp/out")" ] || wrong "something was printed"
unmounted

begin "a second time, by a relative path, at once"
cd "$tmp" || die "cd"
mounting a
status_is 0
cd / || die "cd"
[ "$(cat "$tmp/a/file")" = hello ] || wrong "it doesn't answer"
unmounted

begin "read-only"
mounting -o ro,noatime "$tmp/a"
status_is 0
(echo x >"$tmp/a/new") 2>/dev/null && wrong "it was written to"
[ "$(cat "$tmp/a/file")" = hello ] || wrong "it doesn't answer"
unmounted

begin "what can't be mounted"
where=unix:$tmp/none.sock
mounting "$tmp/a"
refused 1 none.sock
where=
mounting "$tmp/none"
refused 1 none
mounting "$export/file"
refused 1 'not a directory'
for option in actimeo=x actimeo=-1 max_threads=0 max_threads=x; do
	mounting -o "ro,$option" "$tmp/a"
	refused 2 "-o $option: not a number"
done
for option in actimeo max_threads fsname; do
	mounting -o "ro,$option" "$tmp/a"
	refused 2 "-o $option: wants a value: $option="
done
for option in frobnicate act f ro=1; do
	mounting -o "ro,$option" "$tmp/a"
	refused 2 "-o $option: unknown"
done

begin "where it is mounted already"
mounting "$tmp/a"
status_is 0
mounting "$tmp/a"
status_is 1
says 'fsc9p is mounted there already'
[ "$(grep -c " $tmp/a " /proc/self/mountinfo)" = 1 ] || wrong "there are two"
unmounted
mount -t tmpfs none "$tmp/a"
mounting "$tmp/a"
status_is 0
[ "$(cat "$tmp/a/file")" = hello ] || wrong "it doesn't cover what else was mounted"
unmounted
umount "$tmp/a"

begin "where a mount has lost its program"
mounting "$tmp/a"
status_is 0
pkill -KILL -f -- "^$program .*mount.* $tmp/a\$"
wait_until 10 daemon_gone || wrong "it can't be killed"
mounting "$tmp/a"
status_is 1
says 'fusermount3 -u'
fusermount3 -u "$tmp/a"

mkdir "$tmp/b"
begin "mounted again before the one before has let go of the cache"
mounting "$tmp/a"
status_is 0
timeout -k 5 60 "$program" --server "$server" --aname "$export" --cache "$tmp/cache" \
	mount "$tmp/b" >"$tmp/out" 2>"$tmp/err" </dev/null &
second=$!
sleep 1 # it finds the cache in use meanwhile
fusermount3 -u "$tmp/a" || wrong "it can't be unmounted"
wait "$second"
status=$?
status_is 0
quiet
[ "$(cat "$tmp/b/file")" = hello ] || wrong "it doesn't answer"
fusermount3 -u "$tmp/b" || wrong "it can't be unmounted"
wait_until 30 daemon_gone || wrong "the program goes on"

begin "two at the same cache: the second goes without"
mounting "$tmp/a"
status_is 0
mounting "$tmp/b"
status_is 0
[ "$(cat "$tmp/a/file" "$tmp/b/file" | wc -l)" = 2 ] || wrong "they don't answer"
fusermount3 -u "$tmp/b"
unmounted
finish
