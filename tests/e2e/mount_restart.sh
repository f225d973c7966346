#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount_restart.sh - the server, or the way to it, goes away under a mount: errors, no hanging, no
# wrong bytes; when it is back, the same mount works. And the mount's own end: by signals, by its
# server having gone, with files open.

. "$(dirname "$0")/mount_lib.sh"
setup_mounts

make_files() {
	mkdir -p "$export/folder"
	for file in warm cold fd folder/one folder/two; do
		random_file "$export/$file" 1000001
	done
}

# Whatever it says, it says it in time, and its bytes are the file's first.
no_hanging() { # PATH
	timeout -k 5 90 cat "$tmp/a/$1" >"$tmp/out" 2>"$tmp/cat.err"
	status=$?
	[ "$status" != 124 ] && [ "$status" != 137 ] || wrong "$1: cat hangs"
	head -c "$(wc -c <"$tmp/out")" "$export/$1" | cmp - "$tmp/out" ||
		wrong "$1: other bytes than the file's"
}

is_back() {
	timeout -k 5 60 cmp -s "$tmp/a/cold" "$export/cold"
}

server_goes() {
	stage "the server is killed"
	same_file a warm
	mkfifo "$tmp/go"
	timeout -k 5 120 python3 "$e2e/mount_ops.py" hold "$tmp/a/fd" "$tmp/go" >"$tmp/held" &
	holder=$!
	wait_until 30 [ -e "$tmp/go.ready" ] || wrong "the file can't be opened"
	stop_server KILL
	no_hanging warm
	no_hanging cold
	[ "$status" != 0 ] || wrong "a file that isn't cached was read without a server"
	timeout -k 5 90 sh -c "echo 1 >'$tmp/a/written'" 2>/dev/null &&
		wrong "a file was written without a server"
	timeout -k 5 90 ls "$tmp/a/folder" >/dev/null 2>&1
	[ $? != 124 ] || wrong "ls hangs"
	stage "the server is back"
	serve
	wait_until 30 is_back || wrong "cold can't be read: $(cat "$tmp/a/cold" 2>&1 >/dev/null)"
	for file in warm cold folder/one; do
		same_file a "$file"
	done
	echo 2 >"$tmp/a/written" || wrong "it can't be written to"
	[ "$(cat "$export/written")" = 2 ] || wrong "what was written isn't there"
	stage "a file that was open all the while"
	timeout 60 sh -c "echo go >'$tmp/go'"
	wait "$holder"
	[ $? -lt 124 ] || wrong "it hangs"
	tail -c +$(($(head -n 1 "$tmp/held" | wc -c) + 1)) "$tmp/held" >"$tmp/out"
	head -c "$(wc -c <"$tmp/out")" "$export/fd" | cmp - "$tmp/out" ||
		wrong "other bytes than the file's"
	[ "$(head -n 1 "$tmp/held")" = read ] || echo "after a restart: $(head -n 1 "$tmp/held")"
	rm "$tmp/go" "$tmp/go.ready"
}

# What was changed while nobody could be told.
changed_meanwhile() {
	stage "changed while the server was away"
	same_file a warm
	stop_server KILL
	random_file "$export/warm" 1000001
	random_file "$export/new" 1000001
	mv "$export/new" "$export/fd"
	serve
	wait_until 30 is_back || wrong "cold can't be read"
	same_file a warm
	same_file a fd
	wait_until 5 same_names a || wrong "it lists something else"
}

same_names() {
	(cd "$export" && find . | sort) >"$tmp/names-server"
	(cd "$tmp/$1" && find . | sort) 2>/dev/null | cmp -s "$tmp/names-server" -
}

# Only the connection, in the middle of much reading.
connection_is_cut() {
	stage "the connection is cut"
	random_file "$export/big" 30000000
	cmp "$tmp/a/big" "$export/big" >"$tmp/cmp.out" 2>&1 &
	reader=$!
	end_proxy a
	begin_proxy a
	wait "$reader"
	# either it was read rightly, or there was an error
	! grep -q differ "$tmp/cmp.out" || wrong "wrong bytes: $(cat "$tmp/cmp.out")"
	wait_until 30 is_back || wrong "cold can't be read any more"
	same_file a big
}

told_to_end() { # SIGNAL
	stage "SIG$1"
	kill "-$1" "$(pid_of a)"
	ended a
	[ "$status" = 0 ] || [ "$status" -gt 128 ] || wrong "it ended with $status"
	! is_mounted a || {
		wrong "it is still mounted"
		fusermount3 -u -z "$tmp/a"
	}
	up a
	stage "after SIG$1"
	counting a
	same_file a warm
	! has_cache || came_nothing a 1000001
}

ended_without_server() {
	stage "told to end when the server is gone"
	same_file a cold
	stop_server KILL
	kill -TERM "$(pid_of a)"
	ended a
	fusermount3 -u -z "$tmp/a" 2>/dev/null
	serve
	up a
	same_tree a
}

# Its connection stays, and nothing comes.
silent() {
	stage "the server is silent"
	down a
	up a --timeout 2
	same_file a warm
	kill -STOP "$server_pid"
	timeout -k 5 30 cat "$tmp/a/cold" >/dev/null 2>&1
	status=$?
	kill -CONT "$server_pid"
	[ "$status" = 1 ] || wrong "after 2 seconds there should be an error: status $status"
	wait_until 30 is_back || wrong "cold can't be read any more"
}

# How many requests of the mount are being waited for, as the kernel counts.
waiting() { # NAME
	fsc_dev=$(sed -n "s,^[0-9]* [0-9]* 0:\([0-9]*\) / $tmp/$1 .*,\1,p" /proc/self/mountinfo)
	cat "$tmp/fusectl/$fsc_dev/waiting"
}

asks_nothing() {
	[ "$(waiting a)" = 0 ]
}

# It is ready, and has been let go: what it waits for is the server.
asks() {
	[ "$(waiting a)" -gt 0 ]
}

# mount_ops.py ask CALL, up to where it waits for the server; $asker. The server is stopped then.
ask_in_silence() { # CALL
	rm -f "$tmp/go" "$tmp/go.ready"
	mkfifo "$tmp/go"
	timeout -k 5 120 python3 "$e2e/mount_ops.py" ask "$1" "$tmp/a" "$tmp/go" &
	wait_until 30 [ -s "$tmp/go.ready" ] || wrong "$1: it isn't ready"
	asker=$(cat "$tmp/go.ready")
	wait_until 10 asks_nothing || wrong "$1: the mount is busy before"
	kill -STOP "$server_pid"
	timeout 60 sh -c "echo go >'$tmp/go'"
	wait_until 10 asks || wrong "$1: nobody is asked"
}

# Who is killed needn't wait for the time-out. Then the kernel releases what he had open, while we
# are still busy with it.
killed_in_silence() {
	stage "killed when the server is silent"
	mkdir -p "$tmp/fusectl"
	mount -t fusectl none "$tmp/fusectl" || {
		echo "no fusectl: left out"
		return
	}
	down a
	for file in alarmed asked-open asked-read asked-stat; do
		random_file "$export/$file" 3000001
	done
	up a --timeout 50
	calls='open stat read opendir readdir'
	# (over NFS the server has made stable already what was written)
	[ "$kind" = nfs ] || calls="$calls fsync"
	for call in $calls; do
		ask_in_silence $call
		kill -KILL "$asker" || wrong "$call: it hasn't waited"
		wait_until 10 is_gone "$asker" || wrong "$call: who is killed goes on waiting"
		wait_until 1 asks # to release what was open
		kill -CONT "$server_pid"
		wait_until 30 asks_nothing || wrong "$call: it is never answered"
	done
	ask_in_silence alarm
	# as long as it takes to look at who got a signal, several times
	sleep 1
	! is_gone "$asker" || wrong "a harmless signal has ended it"
	kill -CONT "$server_pid"
	wait_until 30 [ -s "$tmp/go.ready.end" ] || wrong "a harmless signal has made its open fail"
	umount "$tmp/fusectl"
	wait_until 30 is_back || wrong "cold can't be read any more"
	rm -f "$tmp/go" "$tmp/go.ready" "$tmp/go.ready.end"
	wait_until 5 same_names a || wrong "it lists something else"
	same_tree a
}

busy() {
	stage "told to end with a file open"
	exec 3<"$tmp/a/warm"
	kill -TERM "$(pid_of a)"
	ended a
	exec 3<&-
	fusermount3 -u -z "$tmp/a" 2>/dev/null
	up a
	same_file a warm
}

scenario() {
	make_files
	serve
	settle
	up a
	same_tree a
	server_goes
	changed_meanwhile
	[ "$kind" != 9p ] || connection_is_cut
	halfway a
	settle
	same_file a warm
	told_to_end TERM
	told_to_end HUP
	ended_without_server
	silent
	killed_in_silence
	busy
	down a
	caches_right a
	stop_server
}

each_mode scenario cached uncached killed
finish
