#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Make disks that a crash leaves, of a log of what reached the disk (QEMU's blklogwrites).

    cut.py last IMAGE LOG SEED
    cut.py many DISK BASE LOG SEED CUTS KILLS there|told
    cut.py same IMAGE BASE LOG

A cut of the power at a moment leaves what was written up to the last flush before it, and of the
writes after that some: each whole, not at all, or some of its sectors. These are of the size that
XFS was made for, and of ext4 1 KiB: that blocks, and the superblock, may be torn further these leave to
xfs_repair and e2fsck. A write with FUA has reached the disk. A kill of the machine leaves everything.

last: IMAGE, as it was before, becomes what a cut at the end of LOG leaves.
many: DISK gets a partition for each of CUTS and KILLS moments, at random after the first mark (see
guest/churn.c), of what BASE becomes. Its last 4 KiB say what it is, and of which files a mark "there" or
"told" comes later.
same: is IMAGE what a kill at the end of LOG leaves?
"""

import os
import random
import struct
import sys
import uuid
import zlib

FLUSH, FUA, DISCARD = 1, 2, 4
SECTOR = 512
LABEL = 4096
MIB = 1 << 20


def sector_of(image_path):
    """The least that is written whole."""
    with open(image_path, "rb") as image:
        head = image.read(2048)
    if head[:4] == b"XFSB":
        return struct.unpack(">H", head[102:104])[0]
    return 2 * SECTOR if head[1080:1082] == b"\x53\xef" else SECTOR


class Log:
    """flags, offset, length and the place of the data of each entry, until where the log was cut off
    itself."""

    def __init__(self, path, sector=SECTOR):
        self.sector = sector
        self.file = open(path, "rb")
        self.entries = list(self.read())

    def read(self):
        at = SECTOR
        end = os.fstat(self.file.fileno()).st_size
        while True:
            self.file.seek(at)
            head = self.file.read(SECTOR)
            if len(head) < SECTOR:
                return
            sector, count, flags, _ = struct.unpack("<4Q", head[:32])
            if not (sector or count or flags):
                return
            at += SECTOR
            stored = 0 if flags & DISCARD else count * SECTOR
            if at + stored > end:
                return
            yield flags, sector * SECTOR, count * SECTOR, at
            at += stored

    def data(self, entry):
        flags, _, length, at = entry
        # what was discarded may be read as anything; zeros are what a file gives
        if flags & DISCARD:
            return bytes(length)
        self.file.seek(at)
        return self.file.read(length)

    def apply(self, image, base, entry):
        image.seek(base + entry[1])
        image.write(self.data(entry))

    def apply_some(self, image, base, entry, chance, lost):
        fate = chance.random()
        if fate < lost:
            return 0
        if fate < lost + (1 - lost) * 0.8 or entry[0] & DISCARD:
            self.apply(image, base, entry)
            return 1
        data = self.data(entry)
        for at in range(0, len(data), self.sector):
            if chance.random() < 0.5:
                image.seek(base + entry[1] + at)
                image.write(data[at : at + self.sector])
        return 0

    def cut(self, image, base, span, chance, lost):
        """How many of the entries numbered in span are kept whole."""
        kept = 0
        for number in span:
            entry = self.entries[number]
            if entry[0] & FUA:
                self.apply(image, base, entry)
                kept += 1
            else:
                kept += self.apply_some(image, base, entry, chance, lost)
        return kept


def cut_last(path, log_path, seed):
    log = Log(log_path, sector_of(path))
    total = len(log.entries)
    if not total:
        sys.exit("nothing was logged")
    last = max((n for n, e in enumerate(log.entries) if e[0] & FLUSH), default=-1)
    with open(path, "r+b") as image:
        for entry in log.entries[: last + 1]:
            log.apply(image, 0, entry)
        span = range(last + 1, total)
        kept = log.cut(image, 0, span, random.Random(int(seed)), 0.45)
    print(f"cut: {total} writes and flushes, {len(span)} after the last flush, {kept} of them kept whole")


# --- Many of them ----------------------------------------------------------------------------


def marks_of(log, size, wanted):
    """The number of the last entry that each wanted mark has, and of the first mark of all."""
    last, start = {}, None
    for number, entry in enumerate(log.entries):
        if entry[1] != size - LABEL or entry[0] & DISCARD or not entry[2]:
            continue
        kind, name = log.data(entry).rstrip(b"\0").decode().split()
        start = number if start is None else start
        if kind == wanted:
            last[name] = number
    if start is None:
        sys.exit("no mark in the log")
    return last, start


def choose(log, marks, start, cuts, kills, chance):
    """(how many entries come before it, is it a cut), in their order. Some come right after a mark,
    when something must be gone; of the cuts some come just before a flush, when most is not safe."""
    total = len(log.entries)
    flushes = [n for n in range(start + 1, total) if log.entries[n][0] & FLUSH]
    moments = []
    for number in range(cuts + kills):
        cut = number < cuts
        if marks and number % 3 == 0:
            moment = min(chance.choice(marks) + chance.randint(1, 4), total)
        elif cut and flushes and number % 3 == 1:
            moment = chance.choice(flushes)
        else:
            moment = chance.randint(start + 1, total)
        moments.append((moment, cut))
    return sorted(moments)


def copy(source, target, base, size):
    """What is not a hole in source, to a target that is one there."""
    at = 0
    while at < size:
        try:
            at = os.lseek(source.fileno(), at, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(source.fileno(), at, os.SEEK_HOLE)
        while at < end:
            done = os.copy_file_range(source.fileno(), target.fileno(), end - at, at, base + at)
            if not done:
                sys.exit("can't copy")
            at += done


def write_table(disk, count, size):
    """A GPT, at the start and the end."""
    whole = MIB + count * size + MIB
    disk.truncate(whole)
    last = whole // SECTOR - 1
    entries = b""
    for number in range(128):
        if number >= count:
            entries += bytes(128)
            continue
        first = (MIB + number * size) // SECTOR
        kind = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4").bytes_le
        own = uuid.UUID(int=number + 1).bytes_le
        entries += kind + own + struct.pack("<QQQ", first, first + size // SECTOR - 1, 0) + bytes(72)
    for own, other, table in ((1, last, 2), (last, 1, last - 32)):
        head = struct.pack(
            "<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, own, other, 34, last - 33,
            uuid.UUID(int=99).bytes_le, table, 128, 128, zlib.crc32(entries),
        )
        head = head[:16] + struct.pack("<I", zlib.crc32(head)) + head[20:]
        disk.seek(own * SECTOR)
        disk.write(head)
        disk.seek(table * SECTOR)
        disk.write(entries)
    disk.seek(446)
    disk.write(struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, min(last, 0xFFFFFFFF)))
    disk.seek(510)
    disk.write(b"\x55\xaa")


def label(disk, end, text):
    disk.seek(end - LABEL)
    disk.write(text.encode().ljust(LABEL, b"\0"))


def cut_many(path, base_path, log_path, seed, cuts, kills, wanted):
    log = Log(log_path, sector_of(base_path))
    chance = random.Random(int(seed))
    size = os.path.getsize(base_path)
    marks, start = marks_of(log, size, wanted)
    moments = choose(log, list(marks.values()), start, int(cuts), int(kills), chance)
    total, done, late = len(log.entries), 0, 0
    with open(base_path, "r+b", buffering=0) as safe, open(path, "w+b", buffering=0) as disk:
        write_table(disk, len(moments), size)
        for number, (moment, power) in enumerate(moments):
            flushed = max((n for n in range(done, moment) if log.entries[n][0] & FLUSH), default=done - 1)
            for entry in log.entries[done : flushed + 1]:
                log.apply(safe, 0, entry)
            done = flushed + 1
            base = MIB + number * size
            copy(safe, disk, base, size)
            span = range(done, moment)
            lost = chance.choice((0.1, 0.45, 0.45, 0.8, 1)) if power else 0
            if power:
                kept = log.cut(disk, base, span, chance, lost)
                late += len(span)
                what = f"cut at {moment} of {total}, {kept} of {len(span)} unflushed ones kept"
            else:
                for n in span:
                    log.apply(disk, base, log.entries[n])
                what = f"killed at {moment} of {total}"
            old = " ".join(name for name, n in sorted(marks.items()) if n >= moment)
            label(disk, base + size, f"{what}\nmay be old: {old}\n")
    flushes = sum(1 for e in log.entries if e[0] & FLUSH)
    print(
        f"{total} writes and flushes logged, {flushes} of them flushes, {len(marks)} files marked;"
        f" {late} writes may have been lost"
    )


# --- The control -----------------------------------------------------------------------------


def same(image_path, base_path, log_path):
    """But for what was under way: the log's last writes may not have reached the image, nor the image's
    last ones the log."""
    log = Log(log_path)
    with open(base_path, "r+b") as base:
        for entry in log.entries:
            log.apply(base, 0, entry)
    under_way = set()
    for entry in log.entries[-8:]:
        under_way.update(range(entry[1] // SECTOR, (entry[1] + entry[2]) // SECTOR))
    wrong = []
    with open(base_path, "rb") as base, open(image_path, "rb") as image:
        at = 0
        while True:
            one, other = base.read(MIB), image.read(MIB)
            if not one and not other:
                break
            if one != other:
                wrong += [
                    (at + n) // SECTOR
                    for n in range(0, len(one), SECTOR)
                    if one[n : n + SECTOR] != other[n : n + SECTOR]
                ]
            at += MIB
    late = [sector for sector in wrong if sector in under_way]
    print(f"{len(log.entries)} logged; {len(wrong)} sectors differ, {len(late)} of them of the last 8 writes")
    sys.exit(len(wrong) > len(late))


{"last": cut_last, "many": cut_many, "same": same}[sys.argv[1]](*sys.argv[2:])
