# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# lib.sh - what the shell tests share. Sourced; not run.
#
# A test ends with 0, with 77 after skip, or with anything else: failed.
# shellcheck shell=sh

export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
fsc_failed=0

# skip REASON...: this can't be tried here, nor what comes after it.
skip() {
	echo "SKIP: $*"
	[ "$fsc_failed" = 0 ] || exit 1
	exit 77
}

# fail WHAT...: go on, and fail at the end (finish).
fail() {
	echo "FAIL: $*"
	fsc_failed=1
}

# die WHAT...: what comes next would have no meaning.
die() {
	echo "FAIL: $*"
	exit 1
}

finish() {
	exit "$fsc_failed"
}

# need COMMAND...: or skip.
need() {
	for fsc_command in "$@"; do
		command -v "$fsc_command" >/dev/null || skip "$fsc_command is not installed"
	done
}

# same WHAT GOT WANTED
same() {
	[ "$2" = "$3" ] || fail "$1: got '$2', wanted '$3'"
}

# A folder for this test in $tmp, gone at its end with all that at_exit was told; tidying up is not
# broken off by another signal.
fsc_at_exit=:
at_exit() {
	fsc_at_exit="$*; $fsc_at_exit"
}

make_tmp() {
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/fsc-test.XXXXXX") || die "no temporary folder"
	at_exit 'rm -rf "$tmp"'
	trap 'trap "" HUP INT TERM; eval "$fsc_at_exit"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# wait_until SECONDS COMMAND...: true as soon as COMMAND is, false when the time is over.
wait_until() {
	fsc_tries=$(($1 * 20))
	shift
	until "$@"; do
		fsc_tries=$((fsc_tries - 1))
		[ "$fsc_tries" -gt 0 ] || return 1
		sleep 0.05
	done
}

# as_root COMMAND...: false if that can't be had.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo -n "$@"
	fi
}
