#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# nfs.sh - fscnfs against nfs-ganesha, over NFSv3 and NFSv4: the commands, and the mount.
#
#   nfs.sh BUILD-FOLDER
#
# What goes over the network is counted by the loopback device of the test's own network.

. "$(dirname "$0")/../lib.sh"
build=${1:?"usage: $0 BUILD-FOLDER"}
program=$build/examples/nfs/fscnfs
[ -x "$program" ] || skip "fscnfs was not built: no libnfs"

if [ -z "${NFS_VERSION-}" ]; then
	for version in 3 4; do
		sh "$(dirname "$0")/../nfs/in_world.sh" "$version" sh "$0" "$@"
		status=$?
		[ "$status" != 77 ] || exit 77
		[ "$status" = 0 ] || fail "version $version"
	done
	finish
fi

need cmp mountpoint
tmp=$NFS_DIR
export=$tmp/export
cache=$tmp/cache
mnt=$tmp/mnt
mkdir -m 700 "$cache" && mkdir "$mnt" || die "mkdir"
server_pid=

begin() {
	scenario="v$NFS_VERSION: $*"
	echo "--- $scenario"
}

wrong() {
	fail "$scenario: $*"
	head -n 10 "$tmp/err" 2>/dev/null | sed 's/^/	stderr: /'
}

answers() {
	ss -ltn | grep -q ":$NFS_PORT "
}

start_server() {
	$NFS_SERVER &
	server_pid=$!
	wait_until 60 answers || die "the server did not start"
}

kill_server() {
	kill -KILL "$server_pid"
	wait "$server_pid" 2>/dev/null
}

client() { # OPTION... COMMAND...
	rm -f "$tmp/stats"
	before=$(received)
	timeout -k 5 120 "$program" --server "nfs://127.0.0.1:$NFS_PORT$NFS_EXPORT" \
		--nfs-version "$NFS_VERSION" --mount-port "$NFS_MOUNT_PORT" --cache "$cache" \
		--clock-slack 2 --stats "$tmp/stats" "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	came=$(($(received) - before))
}

received() {
	sed -n 's/^ *lo: *\([0-9]*\) .*/\1/p' /proc/net/dev
}

stat_of() {
	sed -n "s/^ *\"$1\": *\([0-9]*\),*$/\1/p" "$tmp/stats"
}

cat_right() { # PATH
	client cat "$1"
	[ "$status" = 0 ] || wrong "cat $1: status $status"
	cmp "$tmp/out" "$export/$1" || wrong "what was delivered differs from $1"
}

cold() {
	cat_right "$1"
	[ "$came" -ge "$(stat -c %s "$export/$1")" ] || wrong "$1 came from nowhere"
	[ "$(stat_of cache_read_bytes)" = 0 ] || wrong "$1 was cached"
}

warm() {
	cat_right "$1"
	[ "$(stat_of server_read_bytes)" = 0 ] || wrong "$1 was read from the server"
	[ "$came" -lt 100000 ] || wrong "$came bytes came over the network for $1"
}

no_client() {
	! pgrep -x fscnfs >/dev/null
}

none_hidden() {
	! ls -A "$export" | grep -q '^\.nfs'
}

# ---- the commands ----

mkdir -p "$export/tree/below"
head -c 30000001 /dev/urandom >"$export/file"
head -c 200001 /dev/urandom >"$export/changing"
for size in 1 4095 4096 4097 100000; do
	head -c "$size" /dev/urandom >"$export/tree/below/$size"
done
: >"$export/tree/empty"
start_server
sleep 3 # what changed less than --clock-slack ago isn't kept

begin "ls and stat"
client ls -l /
[ "$status" = 0 ] && grep -q '30000001 .* file$' "$tmp/out" || wrong "file is not listed"
client stat tree/below/4097
[ "$status" = 0 ] && grep -q 4097 "$tmp/out" || wrong "stat"
begin "30 MB, cold and warm"
cold file
warm file
begin "a tree"
client get -r tree "$tmp/copy"
[ "$status" = 0 ] || wrong "get: status $status"
diff -r "$export/tree" "$tmp/copy" || wrong "get"
client warm tree
[ "$status" = 0 ] && [ "$(stat_of server_read_bytes)" = 0 ] || wrong "the tree is not there"
begin "a file that changes"
cold changing
warm changing
head -c 200001 /dev/urandom >"$export/changing"
cat_right changing
sleep 3
cat_right changing
warm changing
begin "what isn't there"
client cat missing
[ "$status" = 1 ] && grep -q 'missing: No such file' "$tmp/err" || wrong "missing"
client cat file/below
[ "$status" = 1 ] || wrong "below a file: status $status"
client --nfs-version 5 ls /
[ "$status" = 2 ] || wrong "version 5: status $status"
client --server "tcp:127.0.0.1" ls /
[ "$status" = 2 ] || wrong "no URL: status $status"
client --server "nfs://127.0.0.1:9$NFS_EXPORT" ls /
[ "$status" = 1 ] && grep -q 'the NFS service at 127.0.0.1, port 9: .*refused' "$tmp/err" ||
	wrong "no server: status $status"
if [ "$NFS_VERSION" = 3 ]; then
	client --mount-port 9 ls /
	[ "$status" = 1 ] && grep -q 'the mount daemon at 127.0.0.1, port 9: .*refused' "$tmp/err" ||
		wrong "no mount daemon: status $status"
	client --server "nfs://127.0.0.1:$NFS_PORT/none" ls /
	[ "$status" = 1 ] && grep -q "port $NFS_MOUNT_PORT, refuses '/none': " "$tmp/err" ||
		wrong "no such export: status $status"
fi

# ---- the mount ----

begin "mount"
client mount "$mnt"
[ "$status" = 0 ] || {
	mountpoint -q "$mnt" || [ ! -e /dev/fuse ] && skip "no FUSE here"
	wrong "mount: status $status"
	finish
}
cmp "$mnt/file" "$export/file" || wrong "file"
begin "mount: new, changed and gone"
cp "$export/file" "$mnt/copy" && cmp "$export/copy" "$export/file" || wrong "a copy"
head -c 100001 /dev/urandom >"$tmp/part"
dd if="$tmp/part" of="$mnt/copy" bs=10007 seek=3 conv=notrunc 2>/dev/null || wrong "dd"
cmp "$mnt/copy" "$export/copy" || wrong "what was changed in the middle"
echo more >>"$mnt/copy" && cmp "$mnt/copy" "$export/copy" || wrong "what was appended"
truncate -s 5000 "$mnt/copy" && [ "$(stat -c %s "$export/copy")" = 5000 ] || wrong "truncate"
mkdir "$mnt/new" && mv "$mnt/copy" "$mnt/new/moved" && [ -f "$export/new/moved" ] || wrong "mv"
ln "$mnt/new/moved" "$mnt/new/second" && [ "$(stat -c %h "$export/new/moved")" = 2 ] || wrong "ln"
ln -s moved "$mnt/new/link" && [ "$(readlink "$export/new/link")" = moved ] || wrong "ln -s"
mkfifo "$mnt/new/fifo" && [ -p "$export/new/fifo" ] || wrong "mkfifo"
chmod 604 "$mnt/new/moved" && [ "$(stat -c %a "$export/new/moved")" = 604 ] || wrong "chmod"
chown 12:34 "$mnt/new/moved" && [ "$(stat -c %u:%g "$export/new/moved")" = 12:34 ] || wrong "chown"
touch -d '2001-02-03 04:05:06.789 UTC' "$mnt/new/moved" &&
	[ "$(stat -c %.3Y "$export/new/moved")" = 981173106.789 ] || wrong "touch"
rmdir "$mnt/new" 2>/dev/null && wrong "a full folder was removed"
rm -r "$mnt/new" && [ ! -e "$export/new" ] || wrong "rm -r"
begin "mount: a folder of 10,000"
mkdir "$export/many"
(cd "$export/many" && seq 10000 | xargs touch)
[ "$(find "$mnt/many" -type f | wc -l)" = 10000 ] || wrong "find"
begin "mount: a file without a name"
echo content >"$mnt/nameless"
exec 5<"$mnt/nameless"
rm "$mnt/nameless"
[ ! -e "$mnt/nameless" ] || wrong "it has a name"
[ "$(cat <&5)" = content ] || wrong "it lost its content"
exec 5<&-
wait_until 10 none_hidden || wrong "it is there still: $(ls -A "$export")"
begin "mount: a file that another replaces"
echo old >"$mnt/old"
echo new >"$mnt/new"
exec 5<"$mnt/old"
mv "$mnt/new" "$mnt/old"
[ "$(cat <&5)" = old ] || wrong "it lost its content"
[ "$(cat "$mnt/old")" = new ] || wrong "it wasn't replaced"
exec 5<&-
wait_until 10 none_hidden || wrong "it is there still: $(ls -A "$export")"
begin "mount: the server is killed and comes back"
kill_server
(sleep 1 && cat "$mnt/file" >"$tmp/read") &
reader=$!
start_server
wait "$reader" && cmp "$tmp/read" "$export/file" || wrong "a read over the restart"
echo after >"$mnt/after" && [ "$(cat "$export/after")" = after ] || wrong "a write after it"
umount "$mnt" || wrong "umount"
wait_until 30 no_client || wrong "it is still running"

if [ "$NFS_VERSION" = 3 ]; then
	by_rpcbind() {
		"$program" --no-cache --server "nfs://127.0.0.1:$NFS_PORT$NFS_EXPORT" ls / \
			>"$tmp/out" 2>"$tmp/err"
	}

	begin "the mount daemon's port, as rpcbind tells it"
	by_rpcbind || wrong "$(cat "$tmp/err")"
	begin "no rpcbind"
	pkill -x rpcbind # of this test's own world of processes
	by_rpcbind
	grep -q 'rpcbind at 127.0.0.1, port 111: .*refused' "$tmp/err" || wrong "nothing of it"
fi
finish
