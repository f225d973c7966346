#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# disk_gone.sh - the cache's filesystem is shut down while it is being filled: all of the file comes
# from the server, and what is found when it is mounted again, after its log's recovery, is right.

. "$(dirname "$0")/lib.sh"
setup
need python3

make_files() {
	for file in first second third; do
		random_file "$export/$file" 20000001
	done
	mkdir "$export/tree"
	i=0
	while [ $i -lt 400 ]; do
		random_file "$export/tree/$i" $((i * 61 + 1))
		i=$((i + 1))
	done
}

# FS_IOC_SHUTDOWN, while no answer comes: else the client may have ended before. 1: its log is written first. 2: it is not, as if the power had failed.
shut_down() { # HOW
	kill -STOP "$proxy_pid"
	fs_ioc_shutdown "$1"
	fsc_status=$?
	kill -CONT "$proxy_pid"
	return $fsc_status
}

fs_ioc_shutdown() { # HOW
	python3 - "$tmp/disk" "$1" <<-'END' 2>"$tmp/shutdown.err"
		import fcntl, os, struct, sys
		fd = os.open(sys.argv[1], os.O_RDONLY)
		fcntl.ioctl(fd, 0x8004587d, struct.pack("I", int(sys.argv[2])))
	END
}

mount_again() {
	umount "$tmp/disk" || wrong "umount"
	mount -o loop "$tmp/disk.image" "$tmp/disk" || die "mount"
}

# A file of which half has come, in a cache that holds another one.
during_a_fill() { # WHAT HOW FILE
	begin "$1: shut down ($2) in the middle of a file"
	proxy_options="--delay-ms 60"
	client_starts --msize 8192 cat "$3"
	proxy_options=
	payload_reaches 8000000
	shut_down "$2" || skip "$1 can't be shut down: $(tail -n 1 "$tmp/shutdown.err")"
	client_ends
	agree
	status_is 0
	out_is "$export/$3"
	[ -s "$tmp/err" ] || wrong "nothing was said"
	[ "$(wc -l <"$tmp/err")" -le 12 ] || wrong "$(wc -l <"$tmp/err") lines were said"
	begin "$1: still down"
	cat_right "$3"
	mount_again
	begin "$1: mounted again"
	verified --killed
	verified_is unbelieved 0
	cat_right first
	cat_right "$3"
	warm "$3"
	verified
}

during_a_tree() { # WHAT HOW BYTES
	begin "$1: shut down ($2) in the middle of a tree"
	rm -rf "$cache"
	proxy_options="--delay-ms 20"
	client_starts warm tree
	proxy_options=
	payload_reaches "$3"
	shut_down "$2"
	client_ends
	agree
	mount_again
	verified --killed
	verified_is unbelieved 0
	client warm tree
	status_is 0
	client warm tree
	status_is 0
	stat_is server_reads 0
	verified
}

on() { # WHAT IMAGE-SIZE MKFS...
	what=$1 image_size=$2
	shift 2
	mounted disk "$image_size" "$@"
	cache=$tmp/disk/cache
	cold first
	during_a_fill "$what" 2 second
	during_a_fill "$what" 1 third
	during_a_tree "$what" 2 1000000
	during_a_tree "$what" 2 4000000
	umount "$tmp/disk" || wrong "umount"
}

make_files
server_diod
settle
on ext4 200M mkfs.ext4 -q
on XFS 320M mkfs.xfs -q
finish
