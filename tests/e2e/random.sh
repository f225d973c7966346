#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# random.sh - random reads over 1 GiB until half of it is present, on ext4: a new process finds
# all of that half, though its map is far too long for an xattr.

. "$(dirname "$0")/lib.sh"
setup
randread=$build/tests/e2e/randread
half=131072 # granules

need python3
random_file "$export/1g" 1073741824
mounted ext4 2G mkfs.ext4 -q
cache=$tmp/ext4/cache
mkdir -m 700 "$cache"
server_diod
settle

# All counts are held against the proxy's.
random_reads() { # SEED READS
	start_proxy
	"$randread" --server "unix:$tmp/proxy.sock" --export "$export" --cache "$cache" \
		--dev here --file 1g --seed "$1" --reads "$2" >"$tmp/stats" 2>"$tmp/err"
	status=$?
	stop_proxy
	status_is 0
	agree
	stat_is wrong 0
	stat_is reads "$2"
}

begin "random reads of half of it"
random_reads 1 $half
stat_is server_read_bytes $((half * 4096))
stat_is not_kept_bytes 0
stat_is cache_errors 0
verified
verified_is granules $half
verified_is slots 1

begin "the same half, in a new process, after its filesystem was unmounted"
umount "$tmp/ext4" || wrong "umount"
mount -o loop "$tmp/ext4.image" "$tmp/ext4" || die "mount"
random_reads 1 $half
stat_is server_reads 0
stat_is cache_read_bytes $((half * 4096))
verified
verified_is granules $half

begin "others: those that are there come from the cache, the rest from the server"
random_reads 2 20000
[ $(($(stat_of server_read_bytes) + $(stat_of cache_read_bytes))) = $((20000 * 4096)) ] ||
	wrong "not each byte came from one of them"
stat_over cache_read_bytes 20000000
stat_over server_read_bytes 20000000
random_reads 2 20000
stat_is server_reads 0
verified

begin "the client, over the same cache: all of it, and then it is whole"
client --volume-dev here --cache-size 5G cat --offset 0 --length 100000000 1g
status_is 0
cmp -n 100000000 "$tmp/out" "$export/1g" || wrong "what was delivered differs"
stat_over cache_read_bytes 40000000
stat_over server_read_bytes 30000000
rm "$tmp/out"
client --volume-dev here --cache-size 5G warm 1g
status_is 0
client --volume-dev here --cache-size 5G warm 1g
status_is 0
stat_is server_reads 0
verified
verified_is complete 1
verified_is slots 0

begin "a long map that somebody changed"
rm -rf "$cache"
mkdir -m 700 "$cache"
random_reads 3 20000
verified
verified_is slots 1
python3 - "$(python3 "$e2e/tamper.py" objects "$cache")" <<'END'
import os, sys
with open(sys.argv[1], "r+b") as f:
    size = os.fstat(f.fileno()).st_size
    assert size > 2**30
    for at in range(2**30, size, 4096):
        f.seek(at + 100)
        byte = f.read(1)[0]
        f.seek(at + 100)
        f.write(bytes([byte ^ 16]))
END
random_reads 3 2000
stat_is server_reads 2000
verified
finish
