#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# coverage.sh - which lines and branches of lib/ the simulation and the fault loop reach.
#
#   sh tests/coverage.sh FOLDER
#
# Builds in FOLDER. Unit tests don't count: what only they reach was never tried with anything else
# going on, or failing. Branches of FSC_ASSERT are left out. Says what was not reached, and fails
# below the limits; the last line has the figures.

set -u
lines_min=95    # percent
branches_min=85
seeds=1..200    # of the simulation, in each model

cd "$(dirname "$0")/.." || exit 1
. tests/lib.sh
[ $# = 1 ] || die "usage: sh tests/coverage.sh FOLDER"
build=$1
need gcovr meson ninja

if ! [ -f "$build/build.ninja" ]; then
	meson setup "$build" -Db_coverage=true -Doptimization=1 -Dexamples=false >/dev/null ||
		die "it can't be set up"
fi
find "$build" -name '*.gcda' -delete
ninja -C "$build" tests/faults/fsc-faults >/dev/null || die "it can't be built"
ninja -C "$build" tests/sim/fsc-sim >/dev/null || die "it can't be built"

# Two at once; what they count is added up in the same files. (fsc-sim -j would lose it.)
play() { # MODEL...
	for model in "$@"; do
		"$build/tests/sim/fsc-sim" -j 1 --seeds $seeds --model "$model" \
			>"$build/sim-$model.log" 2>&1 || return 1
	done
}

"$build/tests/faults/fsc-faults" --part 1/2 >"$build/faults-1.log" 2>&1 &
first=$!
"$build/tests/faults/fsc-faults" --part 2/2 >"$build/faults-2.log" 2>&1 ||
	fail "fsc-faults --part 2/2: $(tail -n 1 "$build/faults-2.log")"
wait $first || fail "fsc-faults --part 1/2: $(tail -n 1 "$build/faults-1.log")"
play ordered &
first=$!
play strict volatile || fail "fsc-sim: $(tail -n 1 "$build/sim-$model.log")"
wait $first || fail "fsc-sim: $(tail -n 1 "$build/sim-ordered.log")"

report() { # gcovr's options...
	gcovr -r . --filter 'lib/' --exclude-branches-by-pattern '.*FSC_ASSERT.*' "$@" "$build"
}

report >"$build/lines.txt" 2>/dev/null || fail "gcovr"
report --branches >"$build/branches.txt" 2>/dev/null || fail "gcovr"
echo "Lines not reached:"
awk '/^lib\// && $5 != "" { print "  " $1 ": " $5 }' "$build/lines.txt"
echo "Lines with branches not taken:"
awk '/^lib\// && $5 != "" { print "  " $1 ": " $5 }' "$build/branches.txt"

percent() { # REPORT
	awk '$1 == "TOTAL" { printf "%.1f", 100 * $3 / $2 }' "$build/$1.txt"
}

below() { # PERCENT LIMIT
	awk -v have="$1" -v want="$2" 'BEGIN { exit !(have + 0 < want + 0) }'
}

lines=$(percent lines)
branches=$(percent branches)
if below "$lines" $lines_min; then
	fail "$lines % of the lines, less than $lines_min %"
fi
if below "$branches" $branches_min; then
	fail "$branches % of the branches, less than $branches_min %"
fi
echo "coverage of lib/ by fsc-faults and fsc-sim: $lines % of lines, $branches % of branches"
finish
