#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount_fsx.sh - fsx, out of xfstests, on a mount, while another client and the server itself change
# the files beside its own: 100,000 operations with FSC_LONG, else some thousand.
#
# FSC_XFSTESTS is the path of a built xfstests (docs/testing.md); without, this is skipped.

. "$(dirname "$0")/mount_lib.sh"
fsx=${FSC_XFSTESTS:-/nonexistent}/ltp/fsx
[ -x "$fsx" ] || skip "fsx isn't there: FSC_XFSTESTS is to be the path of a built xfstests"
setup_mounts

operations=3000
[ -z "${FSC_LONG-}" ] || operations=100000

# Files of all kinds come and go beside it, through b and on the server.
beside() {
	i=0
	while [ ! -e "$tmp/stop" ]; do
		i=$((i + 1))
		n=$((i % 20))
		head -c $((n * 3000)) /dev/urandom >"$tmp/b/beside-$n"
		head -c $((n * 5000)) /dev/urandom >"$export/other-$n"
		mv "$tmp/b/beside-$n" "$tmp/b/moved-$n"
		rm -f "$export/beside-$(((i + 7) % 20))" "$tmp/b/other-$(((i + 3) % 20))"
		cat "$tmp/a/moved-$n" >/dev/null
		truncate -s $((n * 100)) "$export/moved-$(((i + 5) % 20))"
	done
}

# One stretch of operations. fsx compares what it reads with what it has written; afterwards what the
# mount shows is held against the server's file.
stretch() { # SEED
	stage "fsx, seed $1, $operations operations"
	rm -f "$tmp/stop" "$tmp/a/fsx"
	beside 2>"$tmp/beside.err" &
	other=$!
	"$fsx" -q -N "$operations" -S "$1" -c 100 -l 2000000 -o 100000 -P "$tmp" "$tmp/a/fsx" \
		>"$tmp/fsx.out" 2>&1 || {
		wrong "fsx has failed"
		tail -n 40 "$tmp/fsx.out"
	}
	: >"$tmp/stop"
	wait "$other"
	same_file a fsx
	halfway a
	same_file a fsx
	forget
	same_file a fsx
}

same_names() {
	(cd "$export" && find . | sort) >"$tmp/names-server"
	(cd "$tmp/$1" && find . | sort) | cmp -s "$tmp/names-server" -
}

scenario() {
	serve
	up a
	up b
	stretch 1
	wait_until 5 same_names a
	same_tree a
	settle
	again a
	same_tree a
	same_tree b
	down a
	down b
	caches_right a b
	stop_server
}

scenario_sole() {
	serve
	up a -o sole_writer
	up b
	stretch 2
	down a
	down b
	caches_right a b
	stop_server
}

each_mode scenario cached uncached killed
each_mode scenario_sole cached
finish
