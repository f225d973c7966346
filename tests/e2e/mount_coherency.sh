#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount_coherency.sh - two mounts and the server itself change the same files: each next open sees
# what is there now (close-to-open), whatever was cached; who has the old file open keeps it.

. "$(dirname "$0")/mount_lib.sh"
setup_mounts

kinds='plain grown shrunk replaced rewritten touched truncated backdated exchanged-a exchanged-b
	deleted made-again moved'

make_files() {
	mkdir "$export/folder" "$export/folder/below" "$export/emptied"
	for file in $kinds; do
		random_file "$export/$file" 300001
	done
	for file in one two three; do
		random_file "$export/folder/below/$file" 20000
		random_file "$export/emptied/$file" 100
	done
	ln -s plain "$export/link"
	ln "$export/plain" "$export/plain-too"
}

change_files() {
	random_file "$tmp/more" 100000
	cat "$tmp/more" >>"$export/grown"
	truncate -s 123456 "$export/shrunk"
	random_file "$export/new" 300001
	mv "$export/new" "$export/replaced"
	random_file "$export/rewritten" 300001
	touch "$export/touched"
	: >"$export/truncated"
	# other bytes, the same size and the same mtime: only the ctime tells
	touch -r "$export/backdated" "$tmp/reference"
	random_file "$export/backdated" 300001
	touch -r "$tmp/reference" "$export/backdated"
	rm "$export/made-again"
	random_file "$export/made-again" 300002
}

# What the next look at a name shows, a second after it at most.
change_names() {
	mv "$export/exchanged-a" "$export/exchanged"
	mv "$export/exchanged-b" "$export/exchanged-a"
	mv "$export/exchanged" "$export/exchanged-b"
	rm "$export/deleted"
	mv "$export/moved" "$export/folder/moved-here"
	mv "$export/folder/below" "$export/beside"
	rm -r "$export/emptied"
	ln -sfn folder "$export/link"
	mkdir "$export/made"
	random_file "$export/made/file" 5000
	chmod 640 "$export/touched"
	chmod 500 "$export/folder"
}

names_agree() {
	(cd "$export" && find . | sort) >"$tmp/names-server"
	(cd "$tmp/$1" && find . | sort) >"$tmp/names"
	cmp -s "$tmp/names-server" "$tmp/names" && listing "$export" | cmp -s - "$tmp/listed" ||
		{ listing "$tmp/$1" >"$tmp/listed" && false; }
}

# Read in full by a: an open that shows something else than the server has now is wrong.
at_once() { # NAME WORD
	for file in $kinds; do
		stage "$file, $2, read through $1"
		[ ! -e "$export/$file" ] || same_file "$1" "$file"
	done
}

# Some servers have no other way than a name to what is open: who has the file open gets the old bytes
# or an error, and never others.
old_or_error() { # PATH <FILE
	timeout 60 python3 "$e2e/mount_ops.py" rest >"$tmp/out" 2>"$tmp/rest.err"
	head -c "$(wc -c <"$tmp/out")" "$tmp/$1-before" | cmp - "$tmp/out" ||
		wrong "it isn't the old one"
	[ -s "$tmp/out" ] || grep -q -e ESTALE -e 'Stale' -e 'Errno 5' -e '^$' "$tmp/rest.err" ||
		wrong "an error of another kind: $(tail -n 1 "$tmp/rest.err")"
}

changed_on_the_server() {
	for name in a b; do
		stage "before anything changes, $name"
		same_tree "$name"
	done
	halfway a
	stage "again, $mode"
	counting a
	at_once a "unchanged"
	# (the one that was killed has lost what came in its last second)
	[ "$mode" != cached ] && [ "$mode" != through ] || came_nothing a 3900000
	# Old versions, kept open.
	exec 3<"$tmp/a/replaced" 4<"$tmp/a/deleted"
	cp "$export/replaced" "$tmp/replaced-before"
	cp "$export/deleted" "$tmp/deleted-before"
	change_files
	at_once a "at once after its change"
	at_once b "at once after its change"
	stage "the file that was replaced, still open"
	old_or_error replaced <&3
	exec 3<&-
	change_names
	stage "the file that was deleted, still open"
	old_or_error deleted <&4
	exec 4<&-
	for name in a b; do
		stage "names and attributes, $name"
		wait_until 10 names_agree "$name" || wrong "they stay as they were"
		same_tree "$name"
	done
}

again_and_again() {
	stage "many changes in a row"
	for round in 1 2 3 4 5 6 7 8 9 10 11 12; do
		random_file "$export/often" 50000
		same_file a often
		same_file b often
		[ "$fsc_failed" = 0 ] || break
	done
}

# What one has written and closed the other's next open shows.
back_and_forth() {
	stage "written by one, read by the other"
	for round in 1 2 3 4 5 6 7 8; do
		for pair in 'a b' 'b a'; do
			# shellcheck disable=SC2086 # words
			set -- $pair
			random_file "$tmp/reference" $((40000 + round * 1111))
			cp "$tmp/reference" "$tmp/$1/passed"
			cmp "$tmp/reference" "$tmp/$2/passed" ||
				wrong "round $round: $2 doesn't read what $1 has written"
			cmp "$tmp/reference" "$export/passed" ||
				wrong "round $round: it isn't on the server"
			head -c 5000 /dev/urandom >>"$tmp/$2/passed"
			cmp "$tmp/$1/passed" "$export/passed" ||
				wrong "round $round: $1 doesn't see what $2 has added"
		done
		[ $((round % 4)) != 0 ] || halfway b
		[ "$fsc_failed" = 0 ] || break
	done
	stage "made, renamed and removed by one, seen by the other"
	mkdir "$tmp/a/dir"
	echo 1 >"$tmp/a/dir/file"
	wait_until 10 [ -f "$tmp/b/dir/file" ] || wrong "it doesn't appear"
	mv "$tmp/b/dir/file" "$tmp/b/dir/other"
	wait_until 10 [ -f "$tmp/a/dir/other" ] || wrong "it doesn't move"
	wait_until 10 [ ! -e "$tmp/a/dir/file" ] || wrong "it stays where it was"
	rm -r "$tmp/a/dir"
	wait_until 10 [ ! -e "$tmp/b/dir" ] || wrong "it stays"
	chmod 600 "$tmp/b/passed"
	wait_until 10 is_mode a passed 600 || wrong "the mode stays"
}

is_mode() { # NAME PATH MODE
	[ "$(stat -c %a "$tmp/$1/$2")" = "$3" ]
}

scenario() {
	make_files
	serve
	settle
	up a
	up b
	changed_on_the_server
	again_and_again
	back_and_forth
	stage "all of it, by other processes"
	again a
	again b
	same_tree a
	same_tree b
	down a
	down b
	caches_right a b
	stop_server
}

each_mode scenario cached through uncached killed
finish
