# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""What tamper.sh does to a cache that has no tool of its own.

tamper.py objects CACHE             each object's path, largest file first
tamper.py length PATH               bytes of the xattr
tamper.py flip PATH BYTE            one bit of that byte of the xattr
tamper.py cut PATH BYTES            the xattr made that long, with zeroes where it was shorter
tamper.py drop PATH                 the xattr removed
tamper.py copy FROM TO              one's xattr given to the other
tamper.py flip-data PATH BYTE       one bit of that byte of the file
tamper.py twins A B                 two files of the server, with the same size, mtime and ctime
"""
import os
import sys

NAME = "user.fscache"


def objects(cache):
    found = []
    for folder, _, names in os.walk(os.path.join(cache, "cache")):
        if os.path.basename(folder).startswith("@"):
            found += [os.path.join(folder, name) for name in names]
    for path in sorted(found, key=lambda p: (-os.lstat(p).st_size, p)):
        print(path)


def flip(path, at):
    value = bytearray(os.getxattr(path, NAME))
    value[int(at)] ^= 1 << (int(at) % 8)
    os.setxattr(path, NAME, bytes(value))


def cut(path, length):
    value = os.getxattr(path, NAME)
    os.setxattr(path, NAME, value[: int(length)].ljust(int(length), b"\0"))


def flip_data(path, at):
    with open(path, "r+b") as f:
        f.seek(int(at))
        byte = f.read(1)[0]
        f.seek(int(at))
        f.write(bytes([byte ^ 1 << (int(at) % 8)]))


def twins(a, b):
    # New ones each time: the kernel takes the time of a file that was looked at more exactly.
    for _ in range(200):
        for path in (a, b):
            with open(path + ".new", "wb") as f:
                f.write(os.urandom(10001))
            os.replace(path + ".new", path)
        for path in (a, b):
            os.utime(path, ns=(10**18, 10**18))
        first, second = os.stat(a), os.stat(b)
        if first.st_ctime_ns == second.st_ctime_ns:
            return
    sys.exit(1)


commands = {
    "objects": objects,
    "length": lambda path: print(len(os.getxattr(path, NAME))),
    "flip": flip,
    "cut": cut,
    "drop": lambda path: os.removexattr(path, NAME),
    "copy": lambda a, b: os.setxattr(b, NAME, os.getxattr(a, NAME)),
    "flip-data": flip_data,
    "twins": twins,
}
commands[sys.argv[1]](*sys.argv[2:])
