#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# run.sh - run fuzz targets that were built with -Dfuzz=true and ninja fuzz.
#
#   sh tests/fuzz/run.sh BUILD RUNS [SECONDS [TARGET...]]
#
# Each target replays what seeds.c writes and its corpus (corpus/TARGET.txt) and then takes new
# inputs, RUNS in all and the same in each run; or, where SECONDS isn't 0, others each time for so
# long. One line per target says PASS or FAIL; of a failure the end of its log, the input (kept in
# BUILD/fuzz) and the command that replays it. The status is 0 only if something was run and nothing
# failed.

set -u
[ $# -ge 2 ] || {
	echo "usage: sh tests/fuzz/run.sh BUILD RUNS [SECONDS [TARGET...]]" >&2
	exit 2
}
here=$(cd "$(dirname "$0")" && pwd) || exit 1
build=$(cd "$1" && pwd) || exit 1
runs=$2
seconds=${3:-0}
shift 2
[ $# = 0 ] || shift
out=$build/fuzz
corpora=$out/corpus
rm -rf "$corpora"
mkdir -p "$out" &&
	"$build/tests/fuzz/fuzz-seeds" "$corpora" &&
	python3 "$here/corpus.py" unpack "$here/corpus" "$corpora" || exit 1

# The longest inputs worth a try.
longest() {
	case $1 in
	super) echo 140 ;;
	dir | map | path) echo 300 ;;
	mount) echo 400 ;;
	key) echo 520 ;;
	conn) echo 1200 ;;
	*) echo 700 ;;
	esac
}

# What takes long itself has no time to weigh inputs.
options() {
	case $1 in
	dir | object) echo "-entropic=0" ;;
	esac
}

how_many() { # LOG: inputs tried
	sed -n 's/^stat::number_of_executed_units: *//p' "$1"
}

fuzz() { # TARGET
	program=$build/tests/fuzz/fuzz-$1
	log=$out/$1.log
	rm -rf "${out:?}/$1"
	mkdir -p "$out/$1"
	if [ "$seconds" = 0 ]; then
		limits="-runs=$runs -seed=1"
	else
		limits="-max_total_time=$seconds"
	fi
	# shellcheck disable=SC2046,SC2086 # words
	"$program" $limits $(options "$1") -max_len="$(longest "$1")" -timeout=20 \
		-print_final_stats=1 -artifact_prefix="$out/$1-" "$out/$1" "$corpora/$1" \
		>"$log" 2>&1 </dev/null
}

tell_failure() { # TARGET REASON
	grep -v '^#[0-9]\|NEW_FUNC\|^    #.* fuzzer::' "$log" | tail -n 40
	input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
	[ -z "$input" ] || echo "to replay it: $program $input"
	echo "FAIL $1: $2"
}

passed=0
failed=0
# shellcheck disable=SC2046 # words
[ $# != 0 ] || set -- $(cd "$corpora" && ls)
for target in "$@"; do
	started=$(date +%s)
	fuzz "$target"
	status=$?
	ran=$(how_many "$log")
	took=$(($(date +%s) - started))
	if [ "$status" != 0 ]; then
		tell_failure "$target" "status $status after ${ran:-some} inputs"
	elif [ "$seconds" = 0 ] && [ "${ran:-0}" -lt "$runs" ]; then
		tell_failure "$target" "only ${ran:-0} inputs were tried"
	else
		echo "PASS $target: $ran inputs in $took s"
		passed=$((passed + 1))
		continue
	fi
	failed=$((failed + 1))
done
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
