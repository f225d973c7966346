#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# limit.py - end tests of xfstests that take too long. xfstests itself has no limit, and a filesystem
# that hangs would hang it for ever.
#
#   limit.py SECONDS RECORD
#
# Only processes in this one's mount namespace are looked at: they are all the run's own. A test and
# what it started are killed; if that doesn't end it, what it waits for is the filesystem, whose
# connection is then aborted.
import glob
import os
import re
import signal
import sys
import time

limit = float(sys.argv[1])
record = open(sys.argv[2], "a", buffering=1)
own = os.readlink("/proc/self/ns/mnt")


def processes():
    """{pid: (parent, command line, seconds since it began)} of this namespace"""
    tick = os.sysconf("SC_CLK_TCK")
    uptime = float(open("/proc/uptime").read().split()[0])
    found = {}
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            if os.readlink(folder + "/ns/mnt") != own:
                continue
            fields = open(folder + "/stat").read().rpartition(")")[2].split()
            words = open(folder + "/cmdline", "rb").read().split(b"\0")
        except OSError:
            continue
        found[int(folder[6:])] = (int(fields[1]), words, uptime - int(fields[19]) / tick)
    return found


def test_name(words):
    for word in words[:2]:
        match = re.search(rb"/tests/(generic/\d+)$", word)
        if match:
            return match.group(1).decode()
    return None


def below(found, top):
    family = {top}
    grown = True
    while grown:
        more = {pid for pid, (parent, _, _) in found.items() if parent in family} - family
        grown = bool(more)
        family |= more
    return family


def abort_connections():
    for line in open("/proc/self/mountinfo"):
        fields = line.split()
        if " - fuse" in line and fields[4].rpartition("/")[2] in ("test", "scratch"):
            minor = fields[2].partition(":")[2]
            try:
                open("/sys/fs/fuse/connections/%s/abort" % minor, "w").write("1")
            except OSError:
                pass


while True:
    time.sleep(2)
    found = processes()
    for pid, (parent, words, seconds) in found.items():
        name = test_name(words)
        # the outermost process of the test
        if not name or seconds < limit or test_name(found.get(parent, (0, [], 0))[1]):
            continue
        record.write("%s ended after %d s\n" % (name, seconds))
        for member in below(found, pid):
            try:
                os.kill(member, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if seconds > limit + 20:
            record.write("%s: connections aborted\n" % name)
            abort_connections()
