#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount_passthrough.sh - files that the kernel reads from the cache by itself: they are read rightly
# with the mount's program stopped, keep their bytes when the file changes on the server or through
# the mount, and the next open sees the change.

. "$(dirname "$0")/mount_lib.sh"
setup_mounts

# On the filesystem that the cache is on, the kernel has to be able to.
make_files() {
	for file in whole changed replaced mapped removed; do
		random_file "$export/$file" 3000001
	done
	cp "$export/changed" "$tmp/changed-before"
	cp "$export/replaced" "$tmp/replaced-before"
	cp "$export/removed" "$tmp/removed-before"
}

# Opened, and then read while the program is stopped. The kernel has no pages of it, so nobody can
# bring them but the disk.
reads_without_program() { # PATH WANTED
	python3 "$e2e/mount_ops.py" stopped "$tmp/a/$1" "$(pid_of a)" "$tmp/out" &&
		cmp "$tmp/out" "$2"
}

make_files
serve
settle
up a
stage "cold, it isn't whole yet"
same_tree a
again a
forget
stage "whole"
if ! reads_without_program whole "$export/whole"; then
	# The kernel may have none of it; then nothing must depend on it either.
	same_file a whole
	[ "$fsc_failed" = 0 ] || finish
	case $(uname -r) in
	[0-5].* | 6.[0-8].*) skip "this kernel has no FUSE passthrough" ;;
	esac
	wrong "a whole file isn't read by the kernel itself"
	finish
fi
counting a
for file in changed replaced mapped removed; do
	reads_without_program "$file" "$export/$file" || wrong "$file needs the program"
done
came a 0

stage "mapped"
python3 - "$tmp/a/mapped" "$export/mapped" <<-'END' || wrong "it has other bytes"
	import mmap, sys
	a, b = (open(p, "rb") for p in sys.argv[1:])
	size = 3000001
	sys.exit(mmap.mmap(a.fileno(), size, prot=1)[:] != mmap.mmap(b.fileno(), size, prot=1)[:])
END

stage "changed on the server while it is open"
exec 3<"$tmp/a/changed" 4<"$tmp/a/replaced" 5<"$tmp/a/removed"
random_file "$export/changed" 3000001
random_file "$export/new" 2500000
mv "$export/new" "$export/replaced"
rm "$export/removed"
same_file a changed
same_file a replaced
rest_is "$tmp/changed-before" <&3 || wrong "who has the old one open doesn't keep it"
rest_is "$tmp/replaced-before" <&4 || wrong "who has the replaced one open doesn't keep it"
rest_is "$tmp/removed-before" <&5 || wrong "who has the removed one open doesn't keep it"
exec 3<&- 4<&- 5<&-
same_file a changed

stage "two readers, one of them older"
settle
same_file a changed
exec 3<"$tmp/a/changed"
cp "$export/changed" "$tmp/changed-before"
random_file "$export/changed" 3000001
exec 4<"$tmp/a/changed"
rest_is "$tmp/changed-before" <&3 || wrong "the older one has other bytes"
rest_is "$export/changed" <&4 || wrong "the newer one has other bytes"
exec 3<&- 4<&-

stage "written to through the mount while it is open for reading"
exec 3<"$tmp/a/whole"
head -c 1000 <&3 >/dev/null
cp "$export/whole" "$tmp/whole-before"
dd if=/dev/urandom of="$tmp/a/whole" bs=100000 seek=10 count=3 conv=notrunc status=none ||
	wrong "it can't be written to"
same_file a whole
# in each half it is the one or the other, and nothing else
python3 - "$tmp/whole-before" "$export/whole" 3<&3 <<-'END' || wrong "a third version is read"
	import os, sys
	old, new = (open(p, "rb").read() for p in sys.argv[1:])
	got = b""
	while True:
	    more = os.pread(3, 65536, len(got))
	    if not more:
	        break
	    got += more
	pieces = range(0, len(old), 4096)
	sys.exit(
	    len(got) != len(old)
	    or any(got[p : p + 4096] not in (old[p : p + 4096], new[p : p + 4096]) for p in pieces)
	)
END
exec 3<&-
same_file a whole
for round in 1 2 3; do
	stage "read, written, cut and read again, round $round"
	settle
	same_file a whole
	reads_without_program whole "$export/whole" || wrong "it needs the program"
	random_file "$tmp/a/whole" $((2000000 + round))
	same_file a whole
	truncate -s 1500000 "$tmp/a/whole"
	same_file a whole
done

stage "killed with such files open"
settle
same_file a mapped
again a
same_file a mapped
exec 3<"$tmp/a/mapped"
crash a
exec 3<&-
mode=killed
caches_right a
up a
same_tree a
mode=cached
again a
same_tree a
down a
caches_right a

stage "switched off"
up a -o nopassthrough
same_tree a
forget
! reads_without_program mapped "$export/mapped" || wrong "the program wasn't needed"
same_tree a
down a

stage "without the right to"
if command -v setpriv >/dev/null && $nobody [ -w /dev/fuse ]; then
	mkdir -p "$tmp/cache-a"
	rm -rf "$tmp"/cache-a/* "$tmp/stats-a"
	chown 65534:65534 "$tmp/cache-a" "$tmp/a"
	chmod 777 "$tmp" "$tmp/a.sock"
	prefix=$nobody others=rw
	up a
	for round in cold warm; do
		for file in whole changed mapped; do
			$nobody cmp "$tmp/a/$file" "$export/$file" || wrong "$file, $round"
		done
	done
	down a
fi
finish
