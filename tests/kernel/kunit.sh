#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# kunit.sh - the core's unit tests in a kernel, as KUnit suites: by Linux's own kunit.py, in a small
# User Mode Linux. Each test that CMocka runs of these files must have been run there, and passed.
#
# Built when first wanted: 10 minutes of CPU time beside what uml.sh takes. $JOBS: how many at once
# (2). The last line says how many tests there were.

. "$(dirname "$0")/../lib.sh"
tree=$(cd "$(dirname "$0")/../.." && pwd)
. "$tree/tests/kernel/grafted.sh"

# The names in the lists of tests of all files that Kbuild takes.
tests_wanted() {
	for file in $(sed -n 's#^	\(tests/unit/[a-z_]*\)\.o.*#\1.c#p' "$tree/Kbuild"); do
		sed -n '/struct CMUnitTest tests\[\]/,/^	};/p' "$tree/$file"
	done | sed -n 's/^		[A-Za-z_]*(\([a-z0-9_]*\)[,)].*/\1/p' | sort
}

# Those that KUnit says have passed. (A parameter of a case of a suite: indented twice.)
tests_passed() {
	sed -n 's/^ \{8\}ok [0-9]* \([a-z0-9_]*\)$/\1/p' "$folder/kunit/test.log" | sort
}

make_tmp
need python3
grafted
cd "$folder/linux" || exit 1
nice -n 10 python3 tools/testing/kunit/kunit.py run --kunitconfig=fs/libfscache \
	--build_dir="$folder/kunit" --jobs="${JOBS:-2}" --timeout=900 >"$tmp/out" 2>&1 </dev/null ||
	fail "kunit.py ended with $?"
sed 's/^\[[0-9:]*\] //' "$tmp/out"
tests_wanted >"$tmp/wanted"
tests_passed >"$tmp/passed"
diff "$tmp/wanted" "$tmp/passed" || fail "not passed (<), or not known (>)"
# (before the tests, UML itself warns that it has no PCI)
! sed -n '/KTAP version/,$p' "$folder/kunit/test.log" |
	grep -E 'BUG:|WARNING:|Oops|KASAN|possible (circular|recursive)' ||
	fail "the kernel complains"
[ -s "$tmp/wanted" ] || fail "there are no tests"
echo "$(wc -l <"$tmp/passed") tests passed"
finish
