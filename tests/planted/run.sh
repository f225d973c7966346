#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# run.sh - the tests are tested: each NAME.patch here plants a known bug, and the tool that it
# names must find it within its budget of seeds.
#
#   run.sh BUILD [--budget-factor N] [--median] [--jobs N] [--no-control] [--keep DIR] [NAME...]
#   run.sh --list
#
# BUILD is a folder that meson has set up, with fsc-sim and fsc-faults built. The sources are
# copied, patched and compiled elsewhere with BUILD's own commands; nothing is written to lib/.
# A line per bug:
#	found|NOT FOUND NAME TOOL AND ARGUMENTS: SEEDS of BUDGET, SECONDS
# and the status is 0 only if each was found, every patch applied, and the same tools over the same
# seeds find nothing in what is not patched. --median looks from several seeds on, until it has
# found the bug from each of them, and prints a table for the documentation; --budget-factor allows
# so many times the seeds.
#
# In a patch, before the diff:
#	# find: sim|faults ARGUMENT...   which tool, with which arguments
#	# seeds: N                       sim: the budget

set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 1
source=$(cd "$here/../.." && pwd) || exit 1
. "$here/../lib.sh"

medians='1 200001 400001 600001 800001'

# The first value of a line '# KEY: VALUE' of a patch.
header() { # KEY NAME
	sed -n "/^--- /q; s/^# $1: *//p" "$here/$2.patch" | head -n 1
}

names_of_all() {
	for patch in "$here"/*.patch; do
		basename "$patch" .patch
	done
}

target_of() { # sim|faults
	case $1 in
	sim) echo tests/sim/fsc-sim ;;
	faults) echo tests/faults/fsc-faults ;;
	*) return 1 ;;
	esac
}

# --- Building --------------------------------------------------------------------------------

# What is patched: one of these folders, or several.
folders='lib tests/sim tests/sim/play tests/faults'

copy_sources() { # TO
	for folder in $folders; do
		[ -d "$source/$folder" ] || continue
		mkdir -p "$1/$folder" &&
			cp "$source/$folder"/*.[ch] "$1/$folder/" || return 1
	done
}

# The .c files that have to be compiled: those that differ, and with a header all beside it.
changed_files() { # COPY
	for folder in $folders; do
		(cd "$1/$folder" 2>/dev/null || exit 0
		changed=
		for file in *.[ch]; do
			cmp -s "$file" "$source/$folder/$file" || changed="$changed $file"
		done
		case $changed in
		*.h*) changed=$(echo *.c) ;;
		esac
		for file in $changed; do
			echo "$folder/$file"
		done)
	done
}

# compile COMMANDS COPY FILE: prints "OLD-OBJECT NEW-OBJECT" of one that the tool is made of.
compile() {
	command=$(grep -E -e " -c [^ ]*/$3\$" "$1" | head -n 1)
	[ -n "$command" ] || return 0
	old=$(echo "$command" | sed -E 's/.* -o ([^ ]+) -c .*/\1/')
	new=$2/$(echo "$3" | tr / _).o
	command=$(echo "$command" |
		sed -E "s# -M(D|F [^ ]+|Q [^ ]+)##g; s# -o [^ ]+ -c [^ ]+\$# -o $new -c $2/$3#")
	(cd "$build" && eval "$command") || return 1
	echo "$old $new"
}

# Patched objects stand on the link line in the place of the old ones, or before the libraries,
# whose members they replace.
link_command() { # COMMANDS OBJECTS TOOL
	tail -n 1 "$1" | awk -v objects="$2" -v tool="$3" '
	BEGIN {
		while ((getline line < objects) > 0) {
			split(line, pair, " ")
			new[pair[1]] = pair[2]
		}
	}
	{
		for (i = 1; i <= NF; i++) {
			if ($i in new) {
				$i = new[$i]
				used[$i] = 1
			} else if ($i == "-o") {
				out = i + 1
			}
		}
		$out = tool
		for (old in new)
			if (!(new[old] in used))
				$out = $out " " new[old]
		print
	}'
}

# build_patched NAME COPY: COPY/tool is the tool with the bug.
build_patched() {
	tool=$(header find "$1")
	commands=$tmp/commands.${tool%% *}
	copy_sources "$2" || return 1
	(cd "$2" && patch -p1 -s --fuzz=0 --no-backup-if-mismatch <"$here/$1.patch") || {
		echo "the patch doesn't apply any more"
		return 1
	}
	changed_files "$2" >"$2/changed"
	: >"$2/objects"
	while read -r file; do
		compile "$commands" "$2" "$file" >>"$2/objects" || return 1
	done <"$2/changed"
	[ -s "$2/objects" ] || {
		echo "nothing of what is patched is in the tool"
		return 1
	}
	link=$(link_command "$commands" "$2/objects" "$2/tool")
	(cd "$build" && eval "$link")
}

# --- Looking for it --------------------------------------------------------------------------

now() {
	date +%s.%N
}

since() { # WHEN
	echo "$(now) $1" | awk '{ printf "%.1f", $1 - $2 }'
}

# run_tool LOG TOOL ARGUMENT...: true: it found nothing. (That few seeds are too harmless to count
# is said of the workload, not of the library.)
run_tool() {
	log=$1
	shift
	timeout -k 5 "$limit" "$@" >"$log" 2>&1 && return
	[ $? != 124 ] || {
		echo "$* takes longer than $limit s" >>"$log"
		return 1
	}
	grep -q 'too harmless to count' "$log" && ! grep -q -e '--seed ' "$log"
}

# The seed that failed, as the tool says it, or found by halving when it crashed.
failing_seed() { # LOG TOOL FIRST LAST ARGUMENT...
	grep -q 'takes longer than' "$1" && return
	seed=$(sed -nE 's/.*fsc-sim --seed ([0-9]+).*/\1/p' "$1" | head -n 1)
	[ -z "$seed" ] || {
		echo "$seed"
		return
	}
	fs_log=$1.half fs_tool=$2 low=$3 high=$4
	shift 4
	while [ "$low" -lt "$high" ]; do
		middle=$(((low + high) / 2))
		if run_tool "$fs_log" "$fs_tool" "$@" --as-is --seeds "$low..$middle"; then
			low=$((middle + 1))
		else
			high=$middle
		fi
	done
	echo "$low"
}

# look_sim TOOL DIR FIRST BUDGET ARGUMENT...: how many seeds it took, or nothing.
look_sim() {
	ls_tool=$1 ls_dir=$2 first=$3 last=$(($3 + $4 - 1))
	shift 4
	run_tool "$ls_dir/log" "$ls_tool" "$@" --as-is --seeds "$first..$last" && return
	seed=$(failing_seed "$ls_dir/log" "$ls_tool" "$first" "$last" "$@")
	[ -z "$seed" ] || echo $((seed - first + 1))
}

# look_faults TOOL DIR ARGUMENT...: at which run, or nothing.
look_faults() {
	lf_tool=$1 lf_dir=$2
	shift 2
	run_tool "$lf_dir/log" "$lf_tool" "$@" && return
	at=$(sed -nE 's/.*--at ([0-9]+).*/\1/p' "$lf_dir/log" | head -n 1)
	echo "${at:-?}"
}

# What went wrong, in the tool's own words.
first_words() { # LOG
	grep -vE '^ *$' "$1" | head -n 1 | cut -c 1-160
}

report() { # NAME WORD TEXT SECONDS
	echo "$2 $1 [$(header find "$1")]: $3, $4 s" | tee "$tmp/done/$1.line"
	echo "$2" >"$tmp/done/$1"
}

look() { # NAME DIR ARGUMENT... (of the tool, its name first)
	name=$1 dir=$2 which=$3
	shift 3
	begun=$(now)
	if [ "$which" = faults ]; then
		took=$(look_faults "$dir/tool" "$dir" "$@")
		[ -n "$took" ] || {
			report "$name" "NOT FOUND" "in all of it" "$(since "$begun")"
			return
		}
		echo "faults $*" >"$tmp/done/$name.used"
		report "$name" found "at $took: $(first_words "$dir/log")" "$(since "$begun")"
		row="$took"
	else
		budget=$(($(header seeds "$name") * factor))
		row=
		for start in $starts; do
			took=$(look_sim "$dir/tool" "$dir" "$start" "$budget" "$@")
			[ -n "$took" ] || {
				report "$name" "NOT FOUND" "in $budget seeds from $start on" \
					"$(since "$begun")"
				return
			}
			row="$row $took"
			echo "$start $took $*" >>"$tmp/done/$name.used"
		done
		# shellcheck disable=SC2086 # words
		median=$(printf '%s\n' $row | sort -n | awk '{ v[NR] = $1 }
			END { print v[int((NR + 1) / 2)] }')
		report "$name" found "$median of $budget seeds: $(first_words "$dir/log")" \
			"$(since "$begun")"
	fi
	what=$(sed -n '3,/^#$/s/^# //p' "$here/$name.patch" | tr '\n' ' ')
	echo "| $name | ${what% } | $(header find "$name") | ${median:-at $took} | ${row# } |" \
		>"$tmp/done/$name.row"
}

one() { # NAME
	dir=$tmp/$1
	begun=$(now)
	mkdir -p "$dir"
	if ! build_patched "$1" "$dir" >"$dir/build.log" 2>&1; then
		cat "$dir/build.log"
		report "$1" FAILED "can't be planted" "$(since "$begun")"
		return
	fi
	set -f # the arguments are words, not patterns
	# shellcheck disable=SC2046 # words
	look "$1" "$dir" $(header find "$1")
	set +f
	[ -n "$keep" ] && cp "$dir/log" "$keep/$1.log"
	rm -rf "$dir"
}

# --- The control: the very same, with nothing planted ----------------------------------------

# The seeds that it took to find them: those of one way to call the simulator, from one on, together.
control_one() { # "FIRST HOW-MANY ARGUMENT..."
	set -f
	# shellcheck disable=SC2086 # words
	set -- $1
	set +f
	first=$1 last=$(($1 + $2 - 1))
	shift 2
	dir=$(mktemp -d "$tmp/control.XXXXXX")
	if run_tool "$dir/log" "$build/$(target_of sim)" "$@" --as-is --seeds "$first..$last"; then
		echo "control [sim $*]: nothing in seeds $first to $last"
	else
		tail -n 40 "$dir/log"
		echo "FAILED control [sim $*]: something is found in what is not patched"
		echo failed >"$dir/failed"
	fi
}

# And each scenario of the fault loop.
control_faults() { # "ARGUMENT..."
	dir=$(mktemp -d "$tmp/control.XXXXXX")
	# shellcheck disable=SC2086 # words
	if run_tool "$dir/log" "$build/$(target_of faults)" $1; then
		echo "control [faults $1]: nothing"
	else
		tail -n 40 "$dir/log"
		echo "FAILED control [faults $1]: something is found in what is not patched"
		echo failed >"$dir/failed"
	fi
}

# Lines for xargs: what to call, and its words as one.
controls() {
	cat "$tmp"/done/*.used 2>/dev/null | awk '
	$1 == "faults" {
		sub("^faults *", "")
		if (!seen[$0]++)
			print "control_faults \"" $0 "\""
		next
	}
	{
		first = $1
		took = $2
		sub("^[^ ]+ [^ ]+ *", "")
		if (took > most[first " " $0])
			most[first " " $0] = took
	}
	END {
		for (key in most) {
			first = arguments = key
			sub(" .*", "", first)
			sub("^[^ ]+ *", "", arguments)
			print "control_one \"" first " " most[key] " " arguments "\""
		}
	}'
}

# --- All of it -------------------------------------------------------------------------------

usage() {
	sed -n 's/^#   //p' "$0"
	exit 2
}

# As one of several jobs: --job BUILD KIND NAME, with the rest in the environment.
if [ "${1-}" = --job ]; then
	build=$2
	"$3" "$4"
	exit 0
fi
if [ "${1-}" = --list ]; then
	names_of_all
	exit 0
fi

[ $# -ge 1 ] || usage
build=$(cd "$1" 2>/dev/null && pwd) || die "no folder $1"
shift
factor=1 starts=1 jobs=2 control=1 keep='' table='' limit=300
names=
while [ $# -gt 0 ]; do
	case $1 in
	--budget-factor) factor=${2-} && shift ;;
	--jobs) jobs=${2-} && shift ;;
	--keep) keep=${2-} && shift ;;
	--median) starts=$medians table=1 ;;
	--no-control) control= ;;
	-*) usage ;;
	*)
		[ -f "$here/$1.patch" ] || die "there is no $1.patch"
		names="$names $1"
		;;
	esac
	shift
done
need patch awk ninja
[ -n "$names" ] || names=$(names_of_all)
make_tmp
mkdir "$tmp/done"
[ -z "$keep" ] || mkdir -p "$keep"
for tool in sim faults; do
	target=$(target_of $tool)
	# Up to date, or what is compiled here wouldn't fit what was compiled there.
	ninja -C "$build" "$target" >"$tmp/log" 2>&1 || die "$target: $(tail -n 5 "$tmp/log")"
	ninja -C "$build" -t commands "$target" >"$tmp/commands.$tool" || die "no commands"
done
export tmp factor starts keep limit
begun=$(date +%s)
# shellcheck disable=SC2086 # words
printf 'one %s\n' $names | xargs -L 1 -P "$jobs" sh "$0" --job "$build"
[ -z "$control" ] || controls | xargs -L 1 -P "$jobs" sh "$0" --job "$build"

found=0 missing=
for name in $names; do
	if [ "$(cat "$tmp/done/$name" 2>/dev/null)" = found ]; then
		found=$((found + 1))
	else
		missing="$missing $name"
	fi
done
[ -z "$table" ] || {
	echo '| Bug | What is wrong | Found by | Median of seeds | Each |'
	echo '|---|---|---|---|---|'
	cat "$tmp"/done/*.row 2>/dev/null
}
echo "$found planted bugs found in $(($(date +%s) - begun)) s; not found: ${missing:-none}"
[ -z "$missing" ] && [ -z "$(find "$tmp" -name failed)" ]
