#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# compare.py - what passes on the baseline and doesn't here, without a reason that was given.
#
#   compare.py BASELINE.results SUBJECT.results expected-differences.txt
#
# The last file has one line per test: NAME, then the reason. A test named there that passes now is
# said as well: the line is to go.
import sys


def results(path):
    found = {}
    for line in open(path, errors="replace"):
        name, word, *why = line.split(None, 2)
        found[name] = (word, why[0].strip() if why else "")
    return found


baseline, subject = results(sys.argv[1]), results(sys.argv[2])
expected = {}
for line in open(sys.argv[3]):
    if line.strip() and not line.startswith("#"):
        name, reason = line.split(None, 1)
        expected[name] = reason.strip()

bad, known = [], []
for name, (word, why) in sorted(subject.items()):
    base = baseline.get(name, ("absent", ""))[0]
    if word == "passed" and name in expected:
        print("%s passes, though it is said not to: %s" % (name, expected[name]))
    if base != "passed" or word == "passed":
        continue
    if name in expected:
        known.append(name)
    elif word == "failed":
        bad.append(name)
        print("%s fails here and passes on the baseline: %s" % (name, why))
    else:
        bad.append(name)
        print("%s isn't run here and passes on the baseline: %s" % (name, why))


def count(which, word):
    return sum(1 for w, _ in which.values() if w == word)


print(
    "%d pass (baseline %d), %d fail (%d), %d not run (%d); %d differences expected, %d not"
    % (
        count(subject, "passed"), count(baseline, "passed"),
        count(subject, "failed"), count(baseline, "failed"),
        count(subject, "notrun"), count(baseline, "notrun"),
        len(known), len(bad),
    )
)
sys.exit(1 if bad else 0)
