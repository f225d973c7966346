#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# results.py - one line per test out of what xfstests' check printed: NAME passed|failed|notrun WHY
import re
import sys

name, said = None, []


def result():
    text = " ".join(said)
    if "[not run]" in text:
        return "notrun " + text.split("[not run]", 1)[1].strip()
    if "[expunged]" in text:
        return "notrun excluded"
    if re.match(r"^(\d+s \.\.\. )?\s*\d+s$", text.strip()) or text.strip() in ("", "0s"):
        return "passed"
    # of what differed the lines themselves
    lines = [line for line in said[1:] if re.match(r"[+-](?![+-])", line)]
    return "failed " + (" | ".join(lines) or text)[:200].strip()


def flush():
    if name:
        print(name, result())


for line in open(sys.argv[1], errors="replace"):
    line = line.rstrip("\n")
    match = re.match(r"^(generic/\d+)\s?(.*)$", line)
    if match:
        flush()
        name, said = match.group(1), [match.group(2)]
    elif line.startswith(("Ran:", "Not run:", "Failures:", "Passed all")):
        flush()
        name = None
    elif name:
        said.append(line.strip())
flush()
