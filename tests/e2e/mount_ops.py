#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount_ops.py - what the tests of mounts do to files and can't say in a shell.
#
#   mount_ops.py random FILE REFERENCE SEED COUNT   the same random writes, truncations and mapped
#       writes to both, with reads between them that must agree
#   mount_ops.py regions FILE WRITER WRITERS LENGTH   write every WRITERSth piece of the file, each
#       of an odd length, over and over while the others write theirs
#   mount_ops.py regions-right FILE WRITERS LENGTH   is each piece as its writer left it?
#   mount_ops.py hold FILE FIFO   open and read a little, make FIFO.ready, and, when something is written to the fifo,
#       read on: prints one word, "read", or the name of the error, and then the bytes
#   mount_ops.py ask CALL FOLDER FIFO   put our process id into FIFO.ready, and when something is
#       written to the fifo, make a call that asks the server; when it has ended, make FIFO.ready.end
#   mount_ops.py rest   copy stdin to stdout by nothing but read()
#   mount_ops.py stopped FILE PID COPY   open, stop that process, and read it all: 0 if that needs no
#       more than the kernel
import errno
import mmap
import os
import random
import signal
import sys
import threading

PIECE = 12345  # in every granule and page there are pieces of several writers


def random_ops(path, reference, seed, count):
    choose = random.Random(int(seed))
    size_most = 3000000
    files = [os.open(p, os.O_RDWR | os.O_CREAT, 0o644) for p in (path, reference)]

    def agree(why):
        size = os.fstat(files[1]).st_size
        if os.fstat(files[0]).st_size != size:
            sys.exit("%s: size %d, wanted %d" % (why, os.fstat(files[0]).st_size, size))
        at = choose.randrange(size + 1)
        length = choose.choice((10, 4096, 100000, 1000000))
        got, wanted = (os.pread(fd, length, at) for fd in files)
        if got != wanted:
            first = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b), len(got))
            sys.exit(
                "%s: %d bytes at %d differ from byte %d on (%d came)"
                % (why, length, at, at + first, len(got))
            )

    def write():
        at = choose.randrange(size_most)
        data = choose.randbytes(choose.choice((1, 100, 4096, 5000, 65536, 200000)))
        if choose.random() < 0.3:
            at -= at % 4096
        for fd in files:
            done = 0
            while done < len(data):
                done += os.pwrite(fd, data[done:], at + done)

    def truncate():
        size = choose.randrange(size_most)
        for fd in files:
            os.ftruncate(fd, size)

    def mapped():
        size = os.fstat(files[1]).st_size
        if not size:
            return
        at = choose.randrange(size)
        data = choose.randbytes(min(choose.choice((1, 5000, 70000)), size - at))
        for fd in files:
            with mmap.mmap(fd, size) as memory:
                memory[at : at + len(data)] = data

    def reopen():
        for i, p in enumerate((path, reference)):
            os.close(files[i])
            files[i] = os.open(p, os.O_RDWR)

    def append():
        data = choose.randbytes(choose.choice((1, 4095, 10000)))
        for p in (path, reference):
            fd = os.open(p, os.O_WRONLY | os.O_APPEND)
            os.write(fd, data)
            os.close(fd)

    def sync():
        os.fsync(files[0])

    ops = [write] * 8 + [truncate, mapped, mapped, reopen, append, sync]
    for number in range(int(count)):
        op = choose.choice(ops)
        op()
        agree("%s, operation %d, after %s" % (path, number, op.__name__))


def piece(writer, number):
    return (b"%d:%d." % (writer, number) * PIECE)[:PIECE]


def regions(path, writer, writers, length):
    writer, writers, length = int(writer), int(writers), int(length)
    numbers = list(range(writer, length // PIECE, writers))
    for _ in range(2):
        random.shuffle(numbers)
        for number in numbers:
            fd = os.open(path, os.O_WRONLY)
            if os.pwrite(fd, piece(writer, number), number * PIECE) != PIECE:
                sys.exit("a short write")
            os.close(fd)


def regions_right(path, writers, length):
    with open(path, "rb") as file:
        for number in range(int(length) // PIECE):
            if file.read(PIECE) != piece(number % int(writers), number):
                sys.exit("%s: piece %d is not as it was written" % (path, number))


def hold(path, fifo):
    fd = os.open(path, os.O_RDONLY)
    begin = os.read(fd, 1000)
    open(fifo + ".ready", "w").close()
    open(fifo, "rb").read()
    data, word = begin, "read"
    try:
        while True:
            more = os.read(fd, 65536)
            if not more:
                break
            data += more
    except OSError as error:
        word = errno.errorcode[error.errno]
    sys.stdout.buffer.write(word.encode() + b"\n" + data)


def ask(call, top, fifo):
    if call == "read":
        fd = os.open(top + "/asked-read", os.O_RDONLY)
    elif call == "readdir":
        fd = os.open(top + "/folder", os.O_RDONLY)
    elif call == "fsync":
        fd = os.open(top + "/fd", os.O_RDWR)
        os.pwrite(fd, os.pread(fd, 1, 0), 0)
    signal.signal(signal.SIGALRM, lambda *_: None)
    with open(fifo + ".ready", "w") as ready:
        ready.write(str(os.getpid()))
    open(fifo, "rb").read()
    if call == "alarm":
        signal.setitimer(signal.ITIMER_REAL, 0.3)
    {
        "open": lambda: os.open(top + "/asked-open", os.O_RDONLY),
        "stat": lambda: os.stat(top + "/asked-stat"),
        "opendir": lambda: os.open(top + "/folder", os.O_RDONLY),
        "read": lambda: os.pread(fd, 4096, 2 << 20),
        "alarm": lambda: os.open(top + "/alarmed", os.O_RDONLY),
        "readdir": lambda: os.listdir(fd),
        "fsync": lambda: os.fsync(fd),
    }[call]()
    with open(fifo + ".ready.end", "w") as end:
        end.write("ended")


def rest():
    while True:
        data = os.read(0, 65536)
        if not data:
            break
        sys.stdout.buffer.write(data)


def stopped(path, pid, copy):
    # Who waits for a stopped program can't even be killed, so it goes on after a while.
    fd = os.open(path, os.O_RDONLY)
    late = threading.Event()

    def go_on():
        late.set()
        os.kill(int(pid), signal.SIGCONT)

    timer = threading.Timer(5, go_on)
    timer.start()
    os.kill(int(pid), signal.SIGSTOP)
    data = b""
    try:
        while True:
            more = os.read(fd, 1 << 20)
            if not more:
                break
            data += more
    finally:
        timer.cancel()
        os.kill(int(pid), signal.SIGCONT)
    open(copy, "wb").write(data)
    sys.exit(1 if late.is_set() else 0)


{"ask": ask, "stopped": stopped, "rest": rest, "random": random_ops, "regions": regions, "regions-right": regions_right, "hold": hold}[
    sys.argv[1]
](*sys.argv[2:])
