#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount_actimeo.sh - what -o actimeo says is believed is not asked of the server, whatever was done
# to files meanwhile but for changing them; and what was changed through the mount shows at once.

. "$(dirname "$0")/mount_lib.sh"
setup_mounts
[ "$kind" = 9p ] || skip "messages are counted by the 9P proxy"

messages() {
	rm -f "$tmp/a.report"
	eval "kill -USR1 \$a_proxy"
	wait_until 10 [ -s "$tmp/a.report" ] || die "the proxy doesn't report"
	number_in "$tmp/a.report" messages
}

# Fids are given back beside what is asked for: they are done when two counts agree.
settled() {
	fsc_now=$(messages)
	until fsc_before=$fsc_now && sleep 0.1 && fsc_now=$(messages) &&
		[ "$fsc_now" = "$fsc_before" ]; do
		:
	done
	echo "$fsc_now"
}

unasked() { # WHAT COMMAND...
	stage "$1"
	shift
	fsc_asked=$(settled)
	"$@" >"$tmp/out" 2>&1 || wrong "it fails: $(cat "$tmp/out")"
	fsc_asked=$(($(settled) - fsc_asked))
	[ "$fsc_asked" = 0 ] || wrong "$fsc_asked messages went to and fro"
}

reads_and_looks() {
	cat "$tmp/a/file" "$tmp/a/dir/one" && stat "$tmp/a/file" "$tmp/a/dir" "$tmp/a/dir/one" \
		"$tmp/a"
}

is() { # FORMAT PATH VALUE
	[ "$(stat -c "$1" "$tmp/a/$2")" = "$3" ] ||
		wrong "$2: $1 is $(stat -c "$1" "$tmp/a/$2"), wanted $3"
}

own_changes() {
	stage "what was changed here"
	is %s file 100000
	echo more >>"$tmp/a/file"
	is %s file 100005
	truncate -s 7 "$tmp/a/file"
	is %s file 7
	chmod 600 "$tmp/a/file"
	is %a file 600
	# (the mount knows one name of a file, the last that was looked up: not one that goes here)
	is %h once 3
	is %h twice 3
	is %h again 3
	rm "$tmp/a/once"
	is %h again 2
	rm "$tmp/a/twice"
	is %h again 1
	cat "$tmp/a/again" >"$tmp/out"
	ln "$tmp/a/again" "$tmp/a/third"
	is %h again 2
	is %h dir 2
	mkdir "$tmp/a/dir/below"
	is %h dir 3
	rmdir "$tmp/a/dir/below"
	is %h dir 2
	same_tree a
}

# The kernel was told by one name what the mount hasn't heard by the other.
no_way_back() {
	stage "a second name, looked at after a change on the server"
	is %s third 300
	echo more >>"$export/third"
	is %s fourth 305
	cat "$tmp/a/fourth" >"$tmp/out"
	is %s fourth 305
}

in_the_end() {
	stage "changes by others, when the time is over"
	is %s dir/one 20000
	echo more >>"$export/dir/one"
	wait_until 15 grown || wrong "they don't show"
}

grown() {
	[ "$(stat -c %s "$tmp/a/dir/one")" = 20005 ]
}

scenario() {
	mkdir "$export/dir"
	random_file "$export/file" 100000
	random_file "$export/dir/one" 20000
	random_file "$export/once" 300
	ln "$export/once" "$export/twice"
	ln "$export/once" "$export/again"
	serve
	settle
	up a -o actimeo=1000
	ls "$tmp/a" "$tmp/a/dir" >"$tmp/out" # names are no attributes, and asked for each time
	reads_and_looks >"$tmp/out" || wrong "the first time"
	unasked "read and looked at again and again" reads_and_looks
	unasked "once more" reads_and_looks
	own_changes
	ln "$export/third" "$export/fourth"
	no_way_back
	again a -o actimeo=3
	in_the_end
	down a
	stop_server
}

each_mode scenario cached through
finish
