#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Make the disk that a power cut leaves.

    cut.py IMAGE LOG SEED

IMAGE, as it was before, gets what LOG (QEMU's blklogwrites) has up to the last flush, and of the
writes after that some, by SEED: each whole, not at all, or some of its sectors. A write with FUA
has reached the disk. The last line says how many of how many were kept.
"""

import random
import struct
import sys

FLUSH, FUA, DISCARD = 1, 2, 4
SECTOR = 512


def entries(log):
    """(flags, offset, data or length) of each, in order; ends where the log was cut off itself."""
    log.seek(SECTOR)
    while True:
        head = log.read(SECTOR)
        if len(head) < SECTOR:
            return
        sector, count, flags, _ = struct.unpack("<4Q", head[:32])
        if not (sector or count or flags):
            return
        if flags & DISCARD:
            yield flags, sector * SECTOR, count * SECTOR
            continue
        data = log.read(count * SECTOR)
        if len(data) < count * SECTOR:
            return
        yield flags, sector * SECTOR, data


def apply(image, offset, data):
    image.seek(offset)
    if isinstance(data, int):
        # what was discarded may be read as anything; zeros are what a file gives
        while data > 0:
            length = min(data, 1 << 20)
            image.write(bytes(length))
            data -= length
    else:
        image.write(data)


def apply_some(image, chance, offset, data):
    fate = chance.random()
    if fate < 0.45:
        return 0
    if fate < 0.9 or isinstance(data, int):
        apply(image, offset, data)
        return 1
    for at in range(0, len(data), SECTOR):
        if chance.random() < 0.5:
            apply(image, offset + at, data[at : at + SECTOR])
    return 0


def main():
    path, log_path, seed = sys.argv[1:]
    chance = random.Random(int(seed))
    with open(log_path, "rb") as log:
        last = max((n for n, e in enumerate(entries(log)) if e[0] & FLUSH), default=-1)
        late = kept = total = 0
        with open(path, "r+b") as image:
            for number, (flags, offset, data) in enumerate(entries(log)):
                total += 1
                if number <= last or flags & FUA:
                    apply(image, offset, data)
                    continue
                late += 1
                kept += apply_some(image, chance, offset, data)
    if total == 0:
        sys.exit("nothing was logged")
    print(f"cut: {total} writes and flushes, {late} after the last flush, {kept} of them kept whole")


main()
