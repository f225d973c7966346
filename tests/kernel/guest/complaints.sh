# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# complaints.sh - what the kernel has found wrong while the script ran, asked for at its end; and
# whether a debug kernel was still looking. Sourced by init; not run.
# shellcheck shell=sh

debug=/sys/kernel/debug

# Slabs say "BUG kmalloc-64", the pages' poison only that there is corruption.
pattern='BUG:|BUG [a-z]|WARNING:|Oops|KASAN|UBSAN|possible (circular|recursive)|INFO: task'
pattern="$pattern|INFO: (trying to register|suspicious)|pagealloc: |list_(add|del) corruption"
pattern="$pattern|refcount_t: |ODEBUG: |kmemleak: (Cannot|.*detector disabled)"

begin_looking() {
	mount -t debugfs none $debug 2>/dev/null
	# (by and by it would look for itself: here it is asked to when all has ended)
	[ ! -e $debug/kmemleak ] || echo scan=off >$debug/kmemleak
}

# insmod, and where the functions are, on pages of their own, and since when: "BEGIN END JIFFIES", the
# first two in hexadecimal, all of the same length.
insert() { # MODULE FILE ARGUMENT...
	text=$1 since=$(jiffies)
	shift
	insmod "$@" || return 1
	awk -v "name=[$text]" '$NF == name && tolower($2) == "t" {print $1}' /proc/kallsyms | sort |
		sed -n '1p; $s/...$/fff/p' | tr '\n' ' ' >>/run/text
	echo "$since" >>/run/text
}

jiffies() {
	awk '/^jiffies: / {print $2; exit}' /proc/timer_list 2>/dev/null
}

# What is referred to from nowhere, at two looks, and was allocated at least five seconds before
# (that is kmemleak's rule).
look_for_leaks() {
	[ -e $debug/kmemleak ] || return 0
	echo scan >$debug/kmemleak || {
		echo "kmemleak was off"
		return
	}
	sleep 6
	echo scan >$debug/kmemleak
	head -n 60 $debug/kmemleak
}

# What is freed and not allocated again would never be looked at.
look_at_slabs() {
	for each in /sys/kernel/slab/*/validate; do
		[ ! -e "$each" ] || echo 1 >"$each"
	done 2>/dev/null
}

# What was allocated below a function of a module that is gone, and is there still, where SLUB keeps
# who allocated what (--poison).
look_for_slabs() {
	if [ ! -s /run/text ] || [ ! -e $debug/slab/kmalloc-64/alloc_traces ] ||
		grep -q '^libfscache \|^fsc_planted ' /proc/modules; then
		return 0
	fi
	# (before our time, the addresses may have been another module's)
	cat $debug/slab/kmalloc-*/alloc_traces | awk -v "now=$(jiffies)" '
		function report() {
			if (ours)
				print "not freed:" text
			ours = 0
			text = ""
		}
		FNR == NR {begin[NR] = $1; end[NR] = $2; age[NR] = now - $3; n = NR; next}
		!NF {report(); next}
		{
			text = text "\n" $0
			if (match($0, / age=[0-9]+/))
				youngest = substr($0, RSTART + 5, RLENGTH - 5) + 0
			for (i = 1; i <= NF; i++) {
				sub(/^0x/, "", $i)
				for (j = 1; j <= n; j++)
					if (length($i) == 16 && $i >= begin[j] && $i <= end[j] &&
					    youngest <= age[j])
						ours = 1
			}
		}
		END {report()}' /run/text -
}

# fail_function draws lots where a probe has stopped the CPU, as if in an interrupt that nothing holds off:
# lockdep takes that for a mistake, and goes. It has one complaint, so this is it or another one is.
failures_ended_lockdep() {
	dmesg | sed -n '/WARNING: inconsistent lock state/,/<\/TASK>/p' | grep -q ' fei_kprobe_handler'
}

still_looking() {
	[ -n "$guest_debug" ] || return 0
	[ -e $debug/kmemleak ] || echo "no kmemleak"
	grep -q '^ *debug_locks: *1$' /proc/lockdep_stats || failures_ended_lockdep ||
		echo "lockdep was off"
}

complaints() {
	look_at_slabs
	{
		if failures_ended_lockdep; then
			dmesg | grep -E "$pattern" | grep -v 'WARNING: inconsistent lock state'
		else
			dmesg | grep -E "$pattern"
		fi
		still_looking
		look_for_slabs
		look_for_leaks
	} | sed 's/^/guest: kernel: /' | head -n 60
}
