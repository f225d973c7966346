#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# corpus.sh - make the corpora anew: the fewest inputs that come everywhere where those come that
# were known, those that run.sh has found last, and those in FOLDER/TARGET. What seeds.c writes is
# not among them: it is made when it is wanted.
#
#   sh tests/fuzz/corpus.sh BUILD [FOLDER]

set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
more=${2:-/nonexistent}
out=$build/fuzz
rm -rf "$out/seeds" "$out/known" "$out/new"
"$build/tests/fuzz/fuzz-seeds" "$out/seeds"
python3 "$here/corpus.py" unpack "$here/corpus" "$out/known"
for seeds in "$out/seeds"/*; do
	target=${seeds##*/}
	mkdir -p "$out/new/$target" "$out/known/$target" "$out/$target"
	set -- "$seeds" "$out/known/$target" "$out/$target"
	[ ! -d "$more/$target" ] || set -- "$@" "$more/$target"
	"$build/tests/fuzz/fuzz-$target" -set_cover_merge=1 -use_counters=0 \
		"$out/new/$target" "$@" >"$out/$target.merge.log" 2>&1 </dev/null
	for seed in "$seeds"/*; do
		for input in "$out/new/$target"/*; do
			cmp -s "$seed" "$input" && rm "$input"
		done
	done
	echo "$target: $(find "$out/new/$target" -type f | wc -l)"
done
python3 "$here/corpus.py" pack "$out/new" "$here/corpus"
