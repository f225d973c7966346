# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# inject.sh - failures made by a debug kernel, of what is asked for below the module's own functions:
# nothing that the network filesystem needs for itself. Sourced after lib.sh; not run.
#
#	failslab, fail_page_alloc	memory, also that which the filesystem wants for the module
#	fail_function			what the module has declared with ALLOW_ERROR_INJECTION
#	fail_make_request		the cache's disk (not only for the module)
# shellcheck shell=sh

plenty=1000000000

can_inject() { # KIND...
	for kind in "$@"; do
		[ -d "$debug/$kind" ] || return 1
		[ "$kind" != fail_function ] || [ -n "$(injectable)" ] || return 1
	done
}

# "FUNCTION TYPE", of the module that is loaded.
injectable() {
	sed -n 's/^\([a-z0-9_]*\) \[libfscache\][[:space:]]*/\1 /p' "$debug/error_injection/list"
}

# What happens to whom, once the module is loaded; nothing does before `inject`.
aim() { # KIND...
	for kind in "$@"; do
		for setting in verbose=0 interval=1 space=0; do
			echo "${setting#*=}" >"$debug/$kind/${setting%=*}"
		done
		# (goes on counting when the module comes again)
		[ "$(cat "$debug/$kind/times")" -gt 1000 ] || echo $plenty >"$debug/$kind/times"
		case $kind in
		fail_function) aim_at_functions ;;
		fail_make_request) echo 1 >"/sys/block/$cache_disk/make-it-fail" ;;
		*) aim_below_module "$kind" ;;
		esac
	done
}

aim_below_module() { # KIND
	# shellcheck disable=SC2046 # words
	aim_below "$1" $(sed -n '$s/^\([^ ]*\) \([^ ]*\) .*/0x\1 0x\2/p' /run/text)
}

# Before it is loaded: below what calls a module's init, and nothing else then.
aim_below_init() { # KIND
	# shellcheck disable=SC2046 # words
	aim_below "$1" $(sort /proc/kallsyms |
		awk 'found && $1 != begin {print "0x" begin, "0x" $1; exit}
			$3 == "do_one_initcall" {found = 1; begin = $1}')
}

aim_below() { # KIND BEGIN END
	echo 32 >"$debug/$1/stacktrace-depth"
	echo "$2" >"$debug/$1/require-start"
	echo "$3" >"$debug/$1/require-end"
	# (they would be let off: most of them may wait)
	echo N >"$debug/$1/ignore-gfp-wait"
	[ ! -e "$debug/$1/ignore-gfp-highmem" ] || echo N >"$debug/$1/ignore-gfp-highmem"
	[ ! -e "$debug/$1/min-order" ] || echo 0 >"$debug/$1/min-order"
}

aim_at_functions() {
	echo >"$debug/fail_function/inject"
	injectable | while read -r function type; do
		echo "$function" >"$debug/fail_function/inject" || continue
		case $type in
		ERRNO*) echo 0xfffffffffffffffb >"$debug/fail_function/$function/retval" ;; # EIO
		NULL) echo 0 >"$debug/fail_function/$function/retval" ;;
		TRUE) echo 1 >"$debug/fail_function/$function/retval" ;;
		esac
	done
}

# Of the calls from now on the Nth fails, and no other; until it is asked whether it did.
fail_once() { # N
	echo "$1" >"$debug/fail_function/space"
	echo 1 >"$debug/fail_function/times"
	echo 100 >"$debug/fail_function/probability"
}

has_failed_once() {
	echo 0 >"$debug/fail_function/probability"
	times=$(cat "$debug/fail_function/times")
	echo 0 >"$debug/fail_function/space"
	echo $plenty >"$debug/fail_function/times"
	[ "$times" = 0 ]
}

# Each of them with this probability; 0: no more. (Pages are asked for seldom.)
inject() { # PERCENT KIND...
	percent=$1
	shift
	for kind in "$@"; do
		[ "$kind" != fail_page_alloc ] || percent=$((percent * 4))
		echo "$percent" >"$debug/$kind/probability" || die "$kind can't be injected"
	done
}

injected() { # KIND
	echo $((plenty - $(cat "$debug/$1/times")))
}

# Each kind has failed this often at least: or nothing is proved.
have_injected() { # COUNT KIND...
	wanted=$1
	shift
	for kind in "$@"; do
		say "$kind: $(injected "$kind") failures"
		[ "$(injected "$kind")" -ge "$wanted" ] ||
			fail "$kind: only $(injected "$kind") failures"
	done
}
