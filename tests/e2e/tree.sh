#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# tree.sh - warm: a tree of thousands of files into the cache, and then nothing from the server.

. "$(dirname "$0")/lib.sh"
setup

make_tree() {
	mkdir -p "$export/tree/empty"
	python3 - "$export/tree" <<-'END'
		import os, random, sys
		random.seed(1)
		for d in range(60):
		    folder = os.path.join(sys.argv[1], "folder %d" % d, "below")
		    os.makedirs(folder)
		    for f in range(60):
		        with open(os.path.join(folder, "file-%d" % f), "wb") as out:
		            size = random.choice((0, 1, 100, 4096, 9000, 30000))
		            out.write(random.randbytes(size))
	END
	ln -s / "$export/tree/link-out"
	ln -s . "$export/tree/link-round"
	mkfifo "$export/tree/fifo"
	random_file "$export/beside" 10000
	bytes=$(find "$export/tree" -type f -printf '%s\n' | python3 -c \
		'import sys; print(sum(map(int, sys.stdin)))')
	objects=$(find "$export/tree" -type f -size +0 | wc -l)
}

make_tree
server_diod
settle

begin "a tree of 3600 files, cold"
client warm tree
status_is 0
stat_is server_read_bytes "$bytes"
stat_is not_kept_bytes 0
verified
verified_is stale 0
verified_is present_bytes "$bytes"
[ "$(number_in "$tmp/verified" complete)" -ge "$objects" ] ||
	wrong "$(number_in "$tmp/verified" complete) objects are complete, wanted $objects"
begin "the tree, warm"
client warm tree
status_is 0
stat_is server_reads 0
stat_is objects_discarded 0
begin "two paths, one of them a file"
client warm tree beside
status_is 0
stat_is server_read_bytes 10000
begin "each file from the cache"
for file in 'tree/folder 0/below/file-0' 'tree/folder 59/below/file-59' beside; do
	cat_right "$file"
	stat_is server_reads 0
done
begin "a path that isn't there, beside one that is"
client warm missing tree
status_is 1
says missing
stat_is server_reads 0
begin "no progress bar where there is no terminal"
client warm tree
quiet
verified
finish
