#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount_killed.sh - the mount is killed while it reads and writes, at one moment after the other; the
# next one has the server's bytes, all of them, and none but them.

. "$(dirname "$0")/mount_lib.sh"
setup_mounts
mode=killed

make_files() {
	mkdir "$export/tree"
	python3 - "$export/tree" <<-'END'
		import os, random, sys
		random.seed(7)
		for i in range(300):
		    with open("%s/%d" % (sys.argv[1], i), "wb") as out:
		        out.write(random.randbytes(random.choice((0, 1, 4096, 9000, 70000))))
	END
	random_file "$export/large" 20000001
}

# Wait until so many bytes of file data have come from the server since counting.
has_come() { # BYTES
	[ $(($(server_bytes a) - fsc_bytes)) -ge "$1" ] || ! kill -0 "$worker" 2>/dev/null
}

reading() {
	for bytes in 1 500000 3000000 9000000 15000000; do
		stage "killed when $bytes bytes were read"
		counting a
		(
			cat "$tmp/a/large" | cmp - "$export/large"
			find "$tmp/a/tree" -type f -exec cat {} +
		) >/dev/null 2>&1 &
		worker=$!
		wait_until 60 has_come "$bytes"
		crash a
		wait "$worker"
		caches_right a
		up a
		same_file a large
		# half of them only, for the next round
		for file in 1 2 3 50 51 52; do
			same_file a "tree/$file"
		done
		rm "$export/large"
		random_file "$export/large" 20000001
	done
	stage "after all kills of readers"
	same_tree a
	settle
	again a
	same_tree a
	stage "by the next process, from the cache alone"
	again a
	counting a
	same_tree a
	came_nothing a 25000000
}

is_long() { # PATH SIZE
	[ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -ge "$2" ] || ! kill -0 "$worker" 2>/dev/null
}

# What the writer was told is written (fsync) is there; and what is read is what the server has.
writing() { # [MOUNT-OPTION...]
	for bytes in 1 1000000 4000000 9000000; do
		stage "killed when $bytes bytes were written $*"
		rm -f "$tmp/synced" "$export/written"
		python3 - "$tmp/a/written" "$tmp/reference" "$tmp/synced" <<-'END' 2>/dev/null &
			import os, sys
			data = os.urandom(12000000)
			with open(sys.argv[2], "wb") as out:
			    out.write(data)
			fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
			for at in range(0, len(data), 100000):
			    os.write(fd, data[at : at + 100000])
			    if at % 1000000 == 0:
			        os.fsync(fd)
			        with open(sys.argv[3] + ".new", "w") as out:
			            out.write(str(at + 100000))
			        os.rename(sys.argv[3] + ".new", sys.argv[3])
		END
		worker=$!
		wait_until 60 is_long "$export/written" "$bytes"
		crash a
		wait "$worker"
		caches_right a
		synced=$(cat "$tmp/synced" 2>/dev/null || echo 0)
		head -c "$synced" "$tmp/reference" >"$tmp/wanted"
		head -c "$synced" "$export/written" | cmp - "$tmp/wanted" ||
			wrong "what was synced isn't on the server"
		up a "$@"
		same_file a written
	done
	# in the middle of a file that was cached before
	for round in 1 2 3; do
		stage "killed when it wrote over cached bytes, $round $*"
		random_file "$export/over" 8000000
		settle
		same_file a over
		again a "$@"
		same_file a over
		python3 - "$tmp/a/over" <<-'END' 2>/dev/null &
			import os, random, sys
			fd = os.open(sys.argv[1], os.O_RDWR)
			while True:
			    os.pwrite(fd, os.urandom(5000), random.randrange(7900000))
		END
		worker=$!
		before=$(stat -c %Y%Z%y "$export/over")
		wait_until 30 is_changed "$export/over" "$before"
		crash a
		wait "$worker"
		caches_right a
		up a "$@"
		same_file a over
		forget
		same_file a over
	done
}

is_changed() { # PATH BEFORE
	[ "$(stat -c %Y%Z%y "$1")" != "$2" ]
}

make_files
serve
settle
up a
reading
writing
down a
up a -o sole_writer
writing -o sole_writer
stage "in the end"
same_tree a
down a
caches_right a
finish
