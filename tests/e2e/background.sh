#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# background.sh - a mount without -f: the command ends when the files are there, or says why not; the
# rest goes on without terminal and folder, and ends in good order.

. "$(dirname "$0")/lib.sh"
setup
need fusermount3 mountpoint
[ -c /dev/fuse ] && (: <>/dev/fuse) 2>/dev/null || skip "/dev/fuse can't be opened"

random_file "$export/file" 3000001
mkdir "$tmp/mnt"
at_exit 'mountpoint -q "$tmp/mnt" && fusermount3 -u -z "$tmp/mnt"'
server_diod
settle

# By relative paths, from a folder that is not the one that it ends up in.
mount_it() { # OPTION...
	start_proxy
	rm -f "$tmp/stats"
	(cd "$tmp" && timeout -k 10 60 "$program" --server unix:proxy.sock --aname "$export" \
		--cache cache --clock-slack 2 --stats stats "$@" mount mnt >out 2>err)
	status=$?
}

has_ended() {
	[ -s "$tmp/stats" ]
}

ended() {
	wait_until 20 has_ended || wrong "it did not end"
	stop_proxy
	agree
}

read_it() {
	cmp "$tmp/mnt/file" "$export/file" || wrong "what was read differs"
}

begin "mounted, cold"
mount_it
status_is 0
quiet
mountpoint -q "$tmp/mnt" || wrong "not mounted"
read_it
begin "unmounted"
fusermount3 -u "$tmp/mnt" || wrong "not unmounted"
ended
stat_is server_read_bytes 3000001
grep -q '"exit_status": *0' "$tmp/stats" || wrong "the status isn't 0"
verified
verified_is complete 1

begin "mounted, warm"
mount_it
status_is 0
read_it
begin "ended by a signal"
pid=$(pgrep -f "$program --server unix:proxy.sock --aname $export ")
kill -TERM "$pid"
ended
stat_is server_reads 0
mountpoint -q "$tmp/mnt" && wrong "still mounted"

begin "no folder to mount on"
rmdir "$tmp/mnt"
mount_it
status_is 1
says 'mnt: No such file'
stop_proxy
mkdir "$tmp/mnt"

begin "no server"
start_proxy
stop_server
mount_it
status_is 1
[ -s "$tmp/err" ] || wrong "nothing was said"
mountpoint -q "$tmp/mnt" && wrong "mounted"
stop_proxy
finish
