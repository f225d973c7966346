#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# planted.sh - a kernel that looks for mistakes is tried out: each that it should find of
# planted/main.c has to be found, and run.sh has to say so.
#
#	sh tests/kernel/planted.sh KERNEL [KIND...]
#
# KERNEL as in run.sh: those that are no debug kernels with --poison.

. "$(dirname "$0")/../lib.sh"
source=$(cd "$(dirname "$0")/../.." && pwd)
. "$source/tests/kernel/lib.sh"

# KIND, what a debug kernel says of it, and what others do (-: nothing).
expected='nothing	-	-
use-after-free	KASAN: slab-use-after-free	-
write-after-free	KASAN: slab-use-after-free	BUG kmalloc-64
beyond-the-end	KASAN: slab-out-of-bounds	BUG kmalloc-64
beyond-pages	KASAN: vmalloc-out-of-bounds	-
leak	unreferenced object	not freed:
sleep-in-atomic	BUG: sleeping function called from invalid context	-
allocate-in-atomic	BUG: sleeping function called from invalid context	-
lock-inversion	WARNING: possible circular locking dependency	-
lock-in-interrupt	WARNING: inconsistent lock state	-
free-queued-work	ODEBUG: free active	-
remove-twice	list_del corruption	-
count-from-zero	refcount_t: addition on 0	refcount_t: addition on 0
dereference-unlocked	WARNING: suspicious RCU usage	-
hang	INFO: task planted	INFO: task planted'

build_planted() {
	tree=${FSC_BUILD:-$source/build}/planted-$kernel
	mkdir -p "$tree" && tree=$(cd "$tree" && pwd) || die "no folder to build in"
	(
		cp -u "$source/tests/kernel/planted/"* "$tree/" && find_headers "$kernel" &&
			nice -n 10 make -C "$headers" ${uml:+ARCH=um} M="$tree" modules
	) >"$tree/log" 2>&1 || {
		cat "$tree/log"
		die "the module can't be built for $kernel"
	}
}

try() { # KIND TEXT
	status=0 wanted=99
	[ "$1" != nothing ] || wanted=0
	# shellcheck disable=SC2086 # a word or none
	sh "$source/tests/kernel/run.sh" $poison --module "$tree/fsc_planted.ko" --timeout 600 \
		"$kernel" "$source/tests/kernel/guest/planted.sh" "$1" >"$tmp/out" 2>&1 || status=$?
	found=$(grep '^guest: kernel: ' "$tmp/out")
	if [ $status = 77 ]; then
		cat "$tmp/out"
		skip "no such guest"
	elif [ $status = $wanted ] && { [ $wanted = 0 ] || echo "$found" | grep -qF "$2"; }; then
		echo "right: $1"
	else
		cat "$tmp/out"
		fail "$1: status $status"
	fi
}

[ $# -ge 1 ] || die "usage: planted.sh KERNEL [KIND...]"
kernel=$1
shift
make_tmp
find_kernel "$kernel"
build_planted
while IFS='	' read -r kind text other <&3; do
	poison=''
	case $kernel in
	*-debug) ;;
	*) poison=--poison text=$other ;;
	esac
	# (where it would be seen is a filesystem that plain UML doesn't have)
	[ "$kernel-$kind" != uml-leak ] || continue
	[ "$text" != - ] || [ "$kind" = nothing ] || continue
	case " $* " in
	"  " | *" $kind "*) try "$kind" "$text" ;;
	esac
done 3<<END
$expected
END
finish
