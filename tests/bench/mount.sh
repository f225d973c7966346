#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount.sh - what reading through the mount costs, against bindfs and rclone on the same files and
# filesystem, all of them mounted at once and measured in turn.
#
#   sh tests/bench/mount.sh BUILD [OPTION...] [CASE...]
#
#	--dir DIR         where the image with everything goes (TMPDIR)
#	--size MIB        of the large file (1024)
#	--files N         small ones of 16 KiB (5000)
#	--objects N       for the case many (100000)
#	--pairs N --slice SECONDS
#	--mount-options   of fsc9p, beside allow_other (actimeo=3600)
#	--direct          the loop device reads and writes its image past the kernel's pages
#	--peers           without fsc9p
#
# Cases: seq rand small (against bindfs and rclone), passthrough (against the cache's own file), cold
# (with the cache and without), many (a second mount's time to answer), reread (what the server is
# asked for by it). All without one.
#
# An ext4 with a journal in a loop image holds the exported tree, the caches and rclone's cache.
# bindfs shows the exported tree; rclone mounts what an nginx of our own serves on loopback. rclone
# keeps folders for an hour (--dir-cache-time), so fsc9p gets actimeo=3600: no question to the server
# at an open. bindfs asks its filesystem each time.

set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
build=$(realpath "${1:?usage: mount.sh BUILD [OPTION...] [CASE...]}")
shift
dir=${TMPDIR:-/tmp} size=1024 files=5000 objects=100000 pairs=20 slice=0.3 peers_only=
fsc_options=actimeo=3600 loop=
cases=
while [ $# -gt 0 ]; do
	case $1 in
	--dir) dir=$2 && shift ;;
	--size) size=$2 && shift ;;
	--files) files=$2 && shift ;;
	--objects) objects=$2 && shift ;;
	--pairs) pairs=$2 && shift ;;
	--slice) slice=$2 && shift ;;
	--mount-options) fsc_options=$2 && shift ;;
	--direct) loop=direct ;;
	--peers) peers_only=1 ;;
	-*) die "$1 is no option" ;;
	*) cases="$cases $1" ;;
	esac
	shift
done
[ "$(id -u)" = 0 ] || skip "mounting needs root"
need bindfs rclone nginx diod python3 mkfs.ext4 fusermount3
program=$build/examples/9p/fsc9p
proxy=$build/tests/9p/counting-proxy
bench=$build/tests/bench/fsc-mount-bench

TMPDIR=$dir
make_tmp
disk=$tmp/disk
export=$disk/export
mkdir "$disk" "$tmp/bindfs" "$tmp/rclone" "$tmp/fsc9p" "$tmp/plain"

lay_out() {
	truncate -s $((size * 5 + files / 16 + 4096))M "$tmp/image"
	mkfs.ext4 -q -F "$tmp/image" || die mkfs
	fsc_device=$(losetup --find --show ${loop:+--direct-io=on} "$tmp/image") ||
		skip "losetup: no loop devices"
	at_exit "losetup -d '$fsc_device'"
	mount "$fsc_device" "$disk" || die mount
	at_exit "umount -l '$disk'"
	mkdir -p "$export/small" "$disk/cache" "$disk/rclone"
	head -c "${size}M" /dev/urandom >"$export/large"
	python3 - "$export/small" "$files" <<-'END'
		import os, sys
		for i in range(int(sys.argv[2])):
		    with open("%s/%d" % (sys.argv[1], i), "wb") as out:
		        out.write(os.urandom(16384))
	END
	# what changed a moment ago is not kept
	find "$export" -exec touch -d '1 hour ago' {} +
}

# ---- servers and mounts ----

is_mounted() {
	mountpoint -q "$1"
}

unmount() { # FOLDER: and wait for the daemon to have gone
	fusermount3 -u "$tmp/$1" || umount -l "$tmp/$1"
	eval "fsc_daemon=\${$1_pid-}"
	[ -z "$fsc_daemon" ] || wait_until 30 gone "$fsc_daemon"
	eval "$1_pid="
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

in_background() { # COMMAND...: $! is its
	"$@" >>"$tmp/log" 2>&1 </dev/null &
}

begin_bindfs() {
	in_background bindfs -f -o ro "$export" "$tmp/bindfs"
	bindfs_pid=$!
	at_exit "fusermount3 -u -z '$tmp/bindfs' 2>/dev/null"
	wait_until 20 is_mounted "$tmp/bindfs" || die "bindfs: $(tail -n 3 "$tmp/log")"
}

begin_nginx() {
	port=$(python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
	mkdir -p "$tmp/nginx"
	chmod 755 "$tmp" "$disk"
	cat >"$tmp/nginx.conf" <<-END
		daemon off; master_process off; worker_processes 1;
		pid $tmp/nginx/pid; error_log $tmp/nginx/error.log;
		events { worker_connections 256; }
		http {
			access_log off; sendfile on;
			client_body_temp_path $tmp/nginx/body; proxy_temp_path $tmp/nginx/proxy;
			fastcgi_temp_path $tmp/nginx/fastcgi; uwsgi_temp_path $tmp/nginx/uwsgi;
			scgi_temp_path $tmp/nginx/scgi;
			server { listen 127.0.0.1:$port; root $export; autoindex on; }
		}
	END
	in_background nginx -c "$tmp/nginx.conf"
	nginx_pid=$!
	at_exit "kill $nginx_pid 2>/dev/null"
	wait_until 20 sh -c "python3 -c '
import urllib.request
urllib.request.urlopen(\"http://127.0.0.1:$port/\").read()' 2>/dev/null" || die nginx
}

begin_rclone() {
	begin_nginx
	in_background env XDG_CONFIG_HOME="$tmp" rclone mount :http: "$tmp/rclone" \
		--http-url "http://127.0.0.1:$port/" --cache-dir "$disk/rclone" \
		--vfs-cache-mode full --vfs-cache-max-size 20G --vfs-cache-max-age 24h --read-only \
		--no-checksum --vfs-fast-fingerprint --dir-cache-time 1h
	rclone_pid=$!
	at_exit "fusermount3 -u -z '$tmp/rclone' 2>/dev/null"
	wait_until 30 is_mounted "$tmp/rclone" || die "rclone: $(tail -n 3 "$tmp/log")"
}

begin_diod() {
	(
		trap '' PIPE
		exec diod -f -n -l "$tmp/diod.sock" -e "$export" -L "$tmp/diod.log" \
			>>"$tmp/log" 2>&1
	) &
	diod_pid=$!
	at_exit "kill $diod_pid 2>/dev/null"
	wait_until 20 [ -S "$tmp/diod.sock" ] || die diod
}

# The server's address is part of the volume's name: always the proxy's, where there is one.
server=unix:$tmp/diod.sock
begin_fsc9p() { # MOUNTPOINT OPTIONS SERVER-OPTION...
	fsc_at=$1 fsc_with=$2
	shift 2
	in_background "$program" --server "$server" --aname "$export" "$@" \
		mount -f -o "allow_other${fsc_with:+,$fsc_with}" "$tmp/$fsc_at"
	eval "${fsc_at}_pid=$!"
	at_exit "fusermount3 -u -z '$tmp/$fsc_at' 2>/dev/null"
	wait_until 30 is_mounted "$tmp/$fsc_at" || die "fsc9p: $(tail -n 3 "$tmp/log")"
}

read_all() { # FOLDER: right, or the figures mean nothing
	cmp "$1/large" "$export/large" || die "$1: wrong bytes"
	diff -rq "$1/small" "$export/small" >/dev/null || die "$1: wrong bytes in small files"
}

all_is_stored() {
	[ "$(find "$disk/cache" -type f -size +15k | wc -l)" -gt "$files" ]
}

# ---- cases ----

compare() { # CASE BEFORE NAME=PATH[,PID]...
	fsc_case=$1 fsc_before=$2
	shift 2
	"$bench" --pairs "$pairs" --slice "$slice" --before "$fsc_before" "$fsc_case" "$@" ||
		fail "$fsc_case"
}

# The first is compared with the second. "raw" is the exported file itself, read by nobody's leave.
against_peers() { # CASE BEFORE
	if [ -n "$peers_only" ]; then
		compare "$@" "raw=$export" "bindfs=$tmp/bindfs,$bindfs_pid" \
			"rclone=$tmp/rclone,$rclone_pid"
	else
		compare "$@" "fsc9p=$tmp/fsc9p,$fsc9p_pid" "bindfs=$tmp/bindfs,$bindfs_pid" \
			"fsc9p-through=$tmp/plain,$plain_pid" "rclone=$tmp/rclone,$rclone_pid" \
			"raw=$export"
	fi
}

case_seq() {
	against_peers seq nothing
	against_peers seq forget
}

case_rand() {
	against_peers rand drop
}

# Each file was opened before: what is measured is neither the first look at a name nor the disk.
case_small() {
	for fsc_at in bindfs rclone ${fsc9p_pid:+fsc9p} ${plain_pid:+plain}; do
		read_all "$tmp/$fsc_at"
	done
	against_peers small nothing
}

# The file beneath: the cache's own, found by its size. It is read as the mount's daemon has the
# kernel read it.
case_passthrough() {
	backing=$(find "$disk/cache" -type f -size "$((size * 1048576))c" | head -n 1)
	[ -n "$backing" ] || die "the cache has no file of that size"
	for fsc_kind in seq rand mmap mmap-rand; do
		compare "$fsc_kind" nothing "fsc9p=$tmp/fsc9p,$fsc9p_pid" "backing=$backing"
	done
	compare rand drop "fsc9p=$tmp/fsc9p,$fsc9p_pid" "backing=$backing"
}

# ---- cases that measure by themselves: one number a round, alternating ----

timed() { # NAME COMMAND...: its microseconds go to $tmp/NAME.us
	fsc_name=$1
	shift
	fsc_began=$(date +%s%N)
	"$@" || die "$*"
	echo "$((($(date +%s%N) - fsc_began) / 1000))" >>"$tmp/$fsc_name.us"
}

median() { # NAME
	sort -n "$tmp/$1.us" | awk '{ v[NR] = $1 } END {
		printf "%.3f", (NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2) / 1000
	}'
}

read_large() {
	dd if="$tmp/cold/large" of=/dev/null bs=1M status=none
}

# A new, empty cache each time; the server's own pages are warm for both. What doesn't fit in memory
# until it is stored isn't kept: with a disk slower than the server the ratio says little.
case_cold() {
	mkdir -p "$tmp/cold"
	cat "$export/large" >/dev/null
	for round in 1 2 3 4 5 6 7; do
		rm -rf "$disk/cold-cache"
		begin_fsc9p cold "$fsc_options" --cache "$disk/cold-cache" \
			--stats "$tmp/cold-stats"
		timed cached read_large
		unmount cold
		sed -n 's/.*"cache_write_bytes": *\([0-9]*\).*/\1/p' "$tmp/cold-stats" \
			>>"$tmp/stored.us"
		begin_fsc9p cold "$fsc_options" --no-cache
		timed uncached read_large
		unmount cold
	done
	awk -v c="$(median cached)" -v u="$(median uncached)" -v s="$(median stored)" \
		-v mib="$size" 'BEGIN {
		printf "cold read, MiB/s: with cache %.0f, without %.0f, ratio %.2f; stored: %.2f\n",
			mib * 1000 / c, mib * 1000 / u, u / c, s * 1000 / mib / 1048576 }'
}

begin_and_read() {
	"$program" --server "$server" --aname "$export" --cache "$disk/cache" \
		mount -o "$fsc_options" "$tmp/again" >>"$tmp/log" 2>&1 &&
		cmp -s "$tmp/again/$1" "$export/$1"
}

# From the command to the first file's bytes, with many objects in the cache.
case_many() {
	mkdir -p "$tmp/again" "$export/many"
	python3 - "$export/many" "$objects" <<-'END'
		import os, sys
		for i in range(int(sys.argv[2])):
		    folder = "%s/%d" % (sys.argv[1], i // 1000)
		    if i % 1000 == 0:
		        os.mkdir(folder)
		    with open("%s/%d" % (folder, i), "wb") as out:
		        out.write(b"%d\n" % i)
	END
	find "$export/many" -exec touch -d '1 hour ago' {} +
	"$program" --server "$server" --aname "$export" --cache "$disk/cache" --stats "$tmp/stats" \
		warm many || die "warming $objects files"
	for round in 1 2 3 4 5; do
		sync
		echo 3 >/proc/sys/vm/drop_caches
		timed again-dropped begin_and_read many/0/7
		fusermount3 -u "$tmp/again"
		wait_until 30 cache_is_free
		timed again begin_and_read many/0/7
		fusermount3 -u "$tmp/again"
		wait_until 30 cache_is_free
	done
	echo "second mount to first bytes, $(find "$disk/cache" -type f | wc -l) files in the cache:" \
		"$(median again) ms, $(median again-dropped) ms after drop_caches"
}

# Whoever has the cache holds a lock on the first byte of its file "lock".
cache_is_free() {
	python3 - "$disk/cache/lock" <<-'END'
		import fcntl, sys
		try:
		    fcntl.lockf(open(sys.argv[1], "r+b"), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
		except OSError:
		    sys.exit(1)
	END
}

# What a second mount asks the server for, as counted outside.
case_reread() {
	mkfifo "$tmp/ready"
	"$proxy" --listen "unix:$tmp/proxy.sock" --connect "$server" --report "$tmp/report" \
		>"$tmp/ready" 2>>"$tmp/log" &
	proxy_pid=$!
	read -r fsc_line <"$tmp/ready"
	fsc_direct=$server
	server=unix:$tmp/proxy.sock
	for round in first second; do
		begin_fsc9p again "" --cache "$disk/cache-reread"
		read_all "$tmp/again"
		unmount again
		rm -f "$tmp/report"
		kill -USR1 "$proxy_pid"
		wait_until 10 [ -s "$tmp/report" ]
		echo "after the $round reading of $files files and $size MiB:" \
			"$(sed -n 's/.*"rread_bytes": *\([0-9]*\).*/\1/p' "$tmp/report") bytes" \
			"from the server"
	done
	kill "$proxy_pid"
	server=$fsc_direct
}

# ---- all of it ----

lay_out
case " ${cases:=seq rand small passthrough cold many reread} " in
*' seq '* | *' rand '* | *' small '*)
	begin_bindfs
	begin_rclone
	read_all "$tmp/rclone"
	;;
esac
if [ -z "$peers_only" ]; then
	begin_diod
	case $cases in
	*seq* | *rand* | *small* | *passthrough*)
		begin_fsc9p fsc9p "$fsc_options" --cache "$disk/cache"
		read_all "$tmp/fsc9p"
		begin_fsc9p plain "$fsc_options,nopassthrough" --cache "$disk/cache-plain"
		read_all "$tmp/plain"
		# The next open finds them whole, and brings the cache's own files into memory, as
		# the others' are by now.
		wait_until 20 all_is_stored
		read_all "$tmp/fsc9p"
		;;
	esac
fi
for fsc_case in $cases; do
	[ "$fsc_case" != many ] || [ -z "${fsc9p_pid-}" ] || unmount fsc9p
	"case_$fsc_case"
done
finish
