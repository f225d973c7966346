#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount_files.py - each kind of system call on a mount, checked against the folder that is exported.
#
#   mount_files.py MOUNT EXPORT [alone] [lent] [TEST...]
#
# alone: nothing may be changed in the exported folder meanwhile (the mount believes that it is the
# only writer, or what it knows for a while). lent: what was written is in the cache at once, so that
# readers may have it by passthrough, and keep what they have when it is changed. Prints what fails; the exit status is how many did.
import errno
import fcntl
import mmap
import os
import stat
import subprocess
import sys
import threading
import traceback

alone = "alone" in sys.argv[3:]
lent = "lent" in sys.argv[3:]
chosen = [name for name in sys.argv[3:] if name not in ("alone", "lent")]
M = sys.argv[1] + "/files/"
E = sys.argv[2] + "/files/"


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data, mode="wb"):
    with open(path, mode) as f:
        f.write(data)


def check(got, wanted, what=""):
    if got != wanted:
        if isinstance(got, bytes) and len(got) > 40:
            first = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b), -1)
            raise AssertionError(
                "%s: %d bytes, wanted %d, the first difference at %d"
                % (what, len(got), len(wanted), first)
            )
        raise AssertionError("%s: got %r, wanted %r" % (what, got, wanted))


def same(name):
    check(read(M + name), read(E + name), name)
    check(os.stat(M + name).st_size, os.stat(E + name).st_size, name + "'s size")


def fails(number, call, *args):
    try:
        call(*args)
    except OSError as e:
        if e.errno == number or (isinstance(number, tuple) and e.errno in number):
            return
        raise
    raise AssertionError("%s%r did not fail" % (call.__name__, args))


# ---- data ----


def create_and_append():
    write(M + "a", b"hello")
    check(os.stat(M + "a").st_size, 5)
    same("a")
    write(M + "a", b" world", "ab")
    check(read(M + "a"), b"hello world")
    same("a")
    fails(errno.EEXIST, os.open, M + "a", os.O_CREAT | os.O_EXCL | os.O_WRONLY)


def append_from_two_handles():
    f, g = (os.open(M + "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT) for _ in "fg")
    for i in range(20):
        os.write(f, b"x%d" % i)
        os.write(g, b"y%d" % i)
    os.close(f)
    os.close(g)
    check(read(E + "log"), b"".join(b"x%dy%d" % (i, i) for i in range(20)))
    same("log")


def append_after_the_server():
    if alone:
        return
    f = os.open(M + "shared-log", os.O_RDWR | os.O_APPEND | os.O_CREAT)
    os.write(f, b"1")
    write(E + "shared-log", b"SERVER", "ab")
    os.write(f, b"2")
    check(read(E + "shared-log"), b"1SERVER2")
    os.close(f)
    same("shared-log")


def truncate():
    write(M + "t", b"short")
    os.truncate(M + "t", 100000)
    same("t")
    os.truncate(M + "t", 3)
    same("t")
    f = os.open(M + "t", os.O_RDWR)
    os.ftruncate(f, 5000)
    check(os.fstat(f).st_size, 5000)
    check(os.pread(f, 6000, 0), b"sho" + b"\0" * 4997)
    # what was cut off doesn't come back
    os.pwrite(f, b"x" * 5000, 0)
    os.ftruncate(f, 10)
    os.ftruncate(f, 5000)
    check(os.pread(f, 6000, 0), b"x" * 10 + b"\0" * 4990)
    os.close(f)
    same("t")
    os.close(os.open(M + "t", os.O_WRONLY | os.O_TRUNC))
    check(os.stat(E + "t").st_size, 0)
    same("t")


def truncate_while_read():
    if lent:
        return
    write(M + "tr", b"y" * 300000)
    f = os.open(M + "tr", os.O_RDONLY)
    check(os.pread(f, 10, 0), b"y" * 10)
    write(M + "tr", b"z" * 100)
    check(os.pread(f, 1000, 0), b"z" * 100)
    os.close(f)
    same("tr")


def sparse():
    f = os.open(M + "sparse", os.O_RDWR | os.O_CREAT)
    end = 5 << 30
    os.pwrite(f, b"end", end)
    os.pwrite(f, b"start", 0)
    check(os.pread(f, 3, end), b"end")
    check(os.pread(f, 10, 4 << 30), b"\0" * 10)
    os.close(f)
    check(os.stat(M + "sparse").st_size, end + 3)
    f = os.open(M + "sparse", os.O_RDONLY)
    check(os.pread(f, 10, end - 3), b"\0\0\0end")
    check(os.pread(f, 8, 0), b"start\0\0\0")
    os.close(f)
    os.unlink(M + "sparse")  # nobody wants to compare all of it


def mapped():
    write(M + "m", b"\0" * 100000)
    f = os.open(M + "m", os.O_RDWR)
    m = mmap.mmap(f, 100000)
    m[5000:5005] = b"abcde"
    m[99990:100000] = b"0123456789"
    os.close(f)  # the mapping stays
    m[7:10] = b"789"
    m.flush()
    m.close()
    check(read(E + "m")[5000:5005], b"abcde")
    same("m")


def mapped_while_appending():
    write(M + "ma", b"\0" * 10000)
    f = os.open(M + "ma", os.O_RDWR | os.O_APPEND)
    m = mmap.mmap(f, 10000)
    m[1:4] = b"zzz"
    m.flush()
    m.close()
    os.close(f)
    check(read(E + "ma"), b"\0zzz" + b"\0" * 9996)


def mapped_and_written():
    write(M + "mw", b"\0" * 20000)
    f = os.open(M + "mw", os.O_RDWR)
    m = mmap.mmap(f, 20000)
    m[0:4] = b"mmap"
    os.pwrite(f, b"written", 4096)
    check(m[4096:4103], b"written")
    check(os.pread(f, 4, 0), b"mmap")
    m.flush()
    m.close()
    os.close(f)
    same("mw")


def large():
    data = os.urandom(20_000_001)
    write(M + "large", data)
    check(read(E + "large"), data, "on the server")
    check(read(M + "large"), data, "read back")


# ---- names of open files ----


def unlinked_but_open():
    write(M + "u", b"first")
    f = os.open(M + "u", os.O_RDWR)
    os.unlink(M + "u")
    check(os.path.exists(E + "u"), False)
    check(os.pread(f, 9, 0), b"first")
    os.pwrite(f, b"FIRST and more", 0)
    check(os.pread(f, 99, 0), b"FIRST and more")
    check(os.fstat(f).st_nlink, 0)
    write(M + "u", b"second")
    check(os.pread(f, 5, 0), b"FIRST")
    check(read(M + "u"), b"second")
    os.close(f)
    same("u")


def unlinked_but_read_from_the_cache():
    write(M + "uc", b"c" * 200000)
    read(M + "uc")
    f = os.open(M + "uc", os.O_RDONLY)
    os.unlink(M + "uc")
    check(os.pread(f, 200001, 0), b"c" * 200000)
    os.close(f)


def renamed_over_open():
    write(M + "old", b"old")
    write(M + "new", b"newer")
    f = os.open(M + "old", os.O_RDONLY)
    os.rename(M + "new", M + "old")
    check(os.pread(f, 10, 0), b"old")
    check(read(M + "old"), b"newer")
    check(os.path.exists(M + "new"), False)
    os.close(f)
    same("old")


def renamed_while_open():
    write(M + "r1", b"abcd")
    f = os.open(M + "r1", os.O_RDWR)
    os.rename(M + "r1", M + "r2")
    os.write(f, b"AB")
    check(read(M + "r2"), b"ABcd")
    os.close(f)
    same("r2")


def directory_renamed():
    os.makedirs(M + "d1/sub")
    write(M + "d1/sub/x", b"1")
    f = os.open(M + "d1/sub/x", os.O_RDWR)
    os.rename(M + "d1", M + "d2")
    check(read(M + "d2/sub/x"), b"1")
    os.write(f, b"2")
    os.close(f)
    write(M + "d2/sub/y", b"3")
    same("d2/sub/x")
    same("d2/sub/y")


# ---- names and attributes ----


def names():
    os.mkdir(M + "n", 0o750)
    check(stat.S_IMODE(os.stat(E + "n").st_mode), 0o750)
    fails((errno.ENOENT,), os.rmdir, M + "none")
    for call in (os.stat, os.mkdir, os.unlink):
        fails(errno.ENAMETOOLONG, call, M + "n" * 256)
    os.mkdir(M + "n" * 255)
    os.rmdir(M + "n" * 255)
    write(M + "n/x", b"1")
    fails((errno.ENOTEMPTY, errno.EEXIST), os.rmdir, M + "n")
    os.symlink("x/y", M + "n/s")
    check(os.readlink(M + "n/s"), "x/y")
    os.link(M + "n/x", M + "n/x2")
    check(os.stat(M + "n/x").st_nlink, 2)
    check(os.stat(M + "n/x").st_ino, os.stat(M + "n/x2").st_ino)
    os.unlink(M + "n/x")
    check(os.stat(M + "n/x2").st_nlink, 1)
    os.mkfifo(M + "n/fifo")
    check(stat.S_ISFIFO(os.stat(E + "n/fifo").st_mode), True)
    check(sorted(os.listdir(M + "n")), sorted(os.listdir(E + "n")))
    check(sorted(os.listdir(M + "n")), ["fifo", "s", "x2"])
    for name in ("fifo", "s", "x2"):
        os.unlink(M + "n/" + name)
    os.rmdir(M + "n")
    check(os.path.exists(E + "n"), False)


def attributes():
    write(M + "at", b"x")
    os.chmod(M + "at", 0o600)
    os.chown(M + "at", 1, 2)
    os.utime(M + "at", (1000, 2000))
    for root in (M, E):
        st = os.stat(root + "at")
        check((stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid), (0o600, 1, 2), root)
        check((st.st_atime, st.st_mtime), (1000, 2000), root)
    before = os.stat(M + "at").st_mtime
    write(M + "at", b"y")
    check(os.stat(M + "at").st_mtime > before, True, "newer after a write")
    check(os.stat(M + "at").st_mtime_ns, os.stat(E + "at").st_mtime_ns)
    vfs, theirs = os.statvfs(M), os.statvfs(E)
    check(vfs.f_bsize * vfs.f_blocks, theirs.f_bsize * theirs.f_blocks)


def extended_attributes():
    write(M + "x", b"x")
    try:
        os.setxattr(M + "x", "user.one", b"1")
    except OSError as e:
        if e.errno != errno.EOPNOTSUPP:
            raise
        print("  (this server has no extended attributes)")
        return
    check(os.getxattr(E + "x", "user.one"), b"1")
    check(os.getxattr(M + "x", "user.one"), b"1")
    check("user.one" in os.listxattr(M + "x"), True)
    os.removexattr(M + "x", "user.one")
    fails(errno.ENODATA, os.getxattr, M + "x", "user.one")


def listing_while_deleting():
    os.mkdir(M + "many")
    for i in range(10000):
        os.close(os.open(E + "many/%d" % i, os.O_CREAT | os.O_WRONLY))
    seen = []
    with os.scandir(M + "many") as entries:
        for entry in entries:
            seen.append(entry.name)
            if int(entry.name) % 2 == 0:
                os.unlink(M + "many/" + entry.name)
    check(len(seen), 10000, "names")
    check(len(set(seen)), 10000, "names that differ")
    check(sorted(os.listdir(M + "many")), sorted(os.listdir(E + "many")))
    check(len(os.listdir(M + "many")), 5000)


# ---- together ----

locker = """
import fcntl, os, sys
f = os.open(sys.argv[1], os.O_RDWR)
try:
    fcntl.lockf(f, fcntl.LOCK_EX | (fcntl.LOCK_NB if sys.argv[2] == "try" else 0), 10, 0)
    print("locked", flush=True)
except OSError:
    print("refused", flush=True)
"""


def locks():
    write(M + "l", b"0123456789" * 10)
    f = os.open(M + "l", os.O_RDWR)

    def other(how):
        return subprocess.Popen(
            [sys.executable, "-c", locker, M + "l", how], stdout=subprocess.PIPE, text=True
        )

    fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0)
    check(other("try").communicate()[0].strip(), "refused")
    # a child that closes what it got from us has no lock to give back
    subprocess.run(["true"], close_fds=True)
    check(other("try").communicate()[0].strip(), "refused")
    # (diod locks files, not ranges: of others nothing is tried)
    waiting = other("wait")
    fcntl.lockf(f, fcntl.LOCK_UN, 10, 0)
    check(waiting.communicate(timeout=20)[0].strip(), "locked")
    # a close gives all back
    fcntl.lockf(f, fcntl.LOCK_EX, 10, 0)
    os.close(f)
    check(other("try").communicate()[0].strip(), "locked")


def hundred_threads():
    wrong = []

    def work(i):
        name = "thread%d" % i
        data = os.urandom(5000 + i * 37)
        try:
            write(M + name, data)
            check(read(M + name), data, name)
            check(read(E + name), data, name + " on the server")
            os.truncate(M + name, 2500)
            check(read(M + name), data[:2500], name + " truncated")
            # no renames: diod 1.0 has a null pointer for who walks meanwhile
            os.unlink(M + name)
        except (OSError, AssertionError) as e:
            wrong.append("%s: %s" % (name, e))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(100)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check(wrong, [])


def changed_by_the_server_while_written():
    if alone:
        return
    write(M + "both", b"before")
    f = os.open(M + "both", os.O_RDWR)
    os.write(f, b"ours")
    write(E + "both", b"THEIRS, AND LONGER")
    check(read(M + "both"), b"THEIRS, AND LONGER")
    os.close(f)
    same("both")


tests = [
    create_and_append,
    append_from_two_handles,
    append_after_the_server,
    truncate,
    truncate_while_read,
    sparse,
    mapped,
    mapped_while_appending,
    mapped_and_written,
    large,
    unlinked_but_open,
    unlinked_but_read_from_the_cache,
    renamed_over_open,
    renamed_while_open,
    directory_renamed,
    names,
    attributes,
    extended_attributes,
    listing_while_deleting,
    locks,
    hundred_threads,
    changed_by_the_server_while_written,
]

os.makedirs(E, exist_ok=True)
failed = 0
for test in tests:
    if chosen and test.__name__ not in chosen:
        continue
    try:
        test()
    except (OSError, AssertionError, subprocess.TimeoutExpired) as e:
        failed += 1
        line = traceback.extract_tb(e.__traceback__)
        at = [frame.lineno for frame in line if frame.filename == __file__][1:2]
        print("%s, line %s: %s" % (test.__name__, at[0] if at else "?", e))
sys.exit(failed)
