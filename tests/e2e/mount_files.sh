#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount_files.sh - each kind of system call on a mount does what it does on the server's own folder,
# however the mount is told to cache.

. "$(dirname "$0")/mount_lib.sh"
setup_mounts
TMPDIR=$tmp # of what is made beside the mount
serve

# diod 1.0 now and then has a null pointer for who asks for much at once: that is no verdict on us.
serving() {
	kill -0 "$server_pid" 2>/dev/null && return
	echo "	(the server has died: once more)"
	drop_mounts
	wait "$server_pid" 2>/dev/null
	serve
	rm -rf "${export:?}/files" "$tmp"/cache-*
	up a -o "$options"
	false
}

calls() { # WORD...
	timeout -k 5 100 python3 "$e2e/mount_files.py" "$tmp/a" "$export" "$@" >"$tmp/out" 2>&1
}

calls_with() { # OPTIONS WORD...
	stage "system calls, -o $1"
	options=$1
	up a -o "$options"
	shift
	calls "$@" || serving || calls "$@" || {
		wrong "system calls"
		head -n 20 "$tmp/out"
	}
	# What the mount has is what the server has, seen by another mount too.
	again a
	settle
	same_tree a
	down a
	rm -rf "${export:?}/files"
}

scenario() {
	calls_with actimeo=0
	calls_with actimeo=10 alone
	has_cache || return 0
	calls_with sole_writer alone lent
	calls_with sole_writer,nopassthrough alone
	calls_with sole_writer,actimeo=60 alone lent
	caches_right a
}

# What a mapping has changed and not written back goes to the server before the end.
mapped_at_the_end() {
	stage "a mapping that is dirty when the mount is told to end"
	random_file "$export/mapped" 100000
	up a
	python3 - "$tmp/a/mapped" <<-'END' || wrong "mmap"
		import mmap, os, sys
		f = os.open(sys.argv[1], os.O_RDWR)
		m = mmap.mmap(f, 100000)
		m[50000:50005] = b"dirty"
		os._exit(0)  # nobody flushes it
	END
	kill -TERM "$(pid_of a)"
	ended a
	[ "$(tail -c +50001 "$export/mapped" | head -c 5)" = dirty ] ||
		wrong "it hasn't reached the server"
	is_mounted a && wrong "it is still mounted"
}

each_mode scenario cached through uncached
each_mode mapped_at_the_end cached
finish
