#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# test_fsc_sim.sh FSC-SIM - what fsc-sim promises about itself: the same seed does the same, wherever
# it stands among others, and a workload that has grown harmless is an error.
set -u
sim=$1
. "$(dirname "$0")/../../lib.sh"

traces() {
	"$sim" --trace "$@" | grep '^seed .* trace '
}

# What came before must not matter, nor how memory happens to be laid out and filled.
all=$(traces --seeds 41..60)
[ "$(echo "$all" | wc -l)" = 20 ] || die "20 seeds give other than 20 traces"
for seed in 41 47 60; do
	alone=$(MALLOC_PERTURB_=165 traces --seed $seed)
	echo "$all" | grep -qxF "$alone" || fail "seed $seed alone: $alone"
done
[ "$(MALLOC_PERTURB_=90 traces --seeds 41..60)" = "$all" ] || fail "a second run differs"

# So must what is left out, and only that.
less=$(traces --seed 47 --without 100-120)
[ -n "$less" ] || fail "nothing is played with steps left out"
echo "$all" | grep -qxF "$less" && fail "steps left out make no difference"
[ "$(traces --seed 47 --without 100-110,111-120)" = "$less" ] || fail "--without differs"

# Too few steps to meet a crash.
if "$sim" --seeds 1..60 --steps 4 >/dev/null; then
	fail "a harmless workload is not noticed"
fi
"$sim" --seeds 1..3 --profile nonsense 2>/dev/null && fail "an unknown profile is accepted"
"$sim" --list | grep -q '^writer ' || fail "--list lists no writer"
finish
