#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# plain.sh - the workload of the crash tests for a moment, on whatever filesystem there is, and a
# look at what it left: nothing is wrong, and the cache has counted right what it occupies.
#
#   plain.sh PROGRAM

. "$(dirname "$0")/../lib.sh"
program=$1
make_tmp

try() { # OPTION...
	rm -rf "$tmp/cache" "$tmp/journal"
	mkdir -m 700 "$tmp/cache"
	"$program" run "$tmp/journal" "$tmp/cache" --seconds 1 --save-ms 50 "$@" || fail "run $*"
	"$program" verify "$tmp/journal" "$tmp/cache" --account || fail "verify $*"
}

try --files 96
try --files 40 --max-size 12582912 --xattr-max 256
try --files 96 --cull --max-bytes 3000000
finish
