# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# both.sh - one cache for both worlds: what fsc9p --like-kernel has put into a folder, the kernel's 9p
# reads from there, and the other way round. The server is tests/9p/server.c, whose files have
# versions, and which both can connect to; it counts what it is asked for. (See ../both.sh.)
# shellcheck shell=sh

. /guest/lib.sh
. /guest/files.sh

treads() {
	cat /tmp/treads
}

# The server must have been asked, or must not have been.
asked_since() { # TREADS WHAT
	now=$(treads)
	say "$2: $((now - $1)) reads by the server"
	[ "$now" -gt "$1" ] || fail "$2: the server was not asked"
}

not_asked_since() { # TREADS WHAT
	now=$(treads)
	say "$2: $((now - $1)) reads by the server"
	[ "$now" = "$1" ] || fail "$2: the server was asked to read $((now - $1)) times"
}

serve_versions() {
	protocol=9p served=/srv
	mount -t ext4 "/dev/$server_disk" /srv || die "no disk to serve"
	modprobe 9pnet_fd
	p9-server --listen tcp:127.0.0.1:564 --export /srv --report /tmp/treads &
	wait_until 20 listens 564 || die "p9-server does not start"
}

# A change of each kind, each with another second.
change_served() { # SEED
	change_files /srv "$1"
	for name in $changed; do
		tick "/srv/$name"
	done
}

# --- In user space ---------------------------------------------------------------------------

userspace() { # COMMAND...
	fsc9p --server tcp:127.0.0.1:564 --aname /srv --uname root --cache "$folder" \
		--clock-slack 0 --like-kernel 127.0.0.1 --cachetag both/worlds "$@"
}

# All files through fsc9p: the server's bytes.
compare_userspace() { # WHAT
	rm -rf /tmp/copy
	userspace get -r / /tmp/copy || fail "$1: fsc9p get: $?"
	sums /srv >/tmp/there
	sums /tmp/copy >/tmp/here
	cmp -s /tmp/there /tmp/here || fail "$1: server (-) and fsc9p (+) differ:
$(diff -U 0 /tmp/there /tmp/here | grep '^[-+][0-9a-f]' | head -n 10)"
	rm -rf /tmp/copy
}

# --- In the kernel ---------------------------------------------------------------------------

kernel_begins() {
	start_daemon "$folder"
	modprobe 9p
	mount -i -t 9p -o "trans=tcp,port=564,version=9p2000.L,aname=/srv,uname=root,access=any\
,msize=65536,cache=fscache,cachetag=both/worlds" 127.0.0.1 /mnt || die "can't mount"
}

kernel_ends() {
	umount /mnt || die "can't unmount"
	forget
	stop_daemon
}

# --- One after the other ---------------------------------------------------------------------

# 1 MiB of 4, and from the middle of a granule to the middle of another.
partly_read_by_userspace() {
	folder=/cache/part
	mkdir $folder
	userspace cat --offset 1050000 --length 1048576 /size-4194304 >/tmp/got ||
		fail "fsc9p cat: $?"
	before=$(treads)
	kernel_begins
	dd if=/mnt/size-4194304 of=/tmp/rest bs=65536 2>/dev/null
	cmp /tmp/rest /srv/size-4194304 || fail "partly read by fsc9p: wrong bytes in the kernel"
	asked_since "$before" "partly read by fsc9p"
	# 65 of 65512 bytes would be all of it, 49 are the rest; there are some for the edges
	[ $(($(treads) - before)) -le 60 ] || fail "what fsc9p has read was read again"
	kernel_ends
}

warmed_by_userspace() {
	folder=/cache/ours
	mkdir $folder
	userspace warm / 2>/tmp/said || fail "fsc9p warm: $(cat /tmp/said)"
	before=$(treads)
	kernel_begins
	compare_all "warmed by fsc9p, read by the kernel"
	not_asked_since "$before" "warmed by fsc9p, read by the kernel"
	[ "$(cache_reads)" -gt 0 ] || fail "fscache has counted no reads"
}

# While the kernel has the folder, it isn't fsc9p's; what it reads is right all the same.
held_by_kernel() {
	before=$(treads)
	userspace cat /size-65536 >/tmp/got 2>/tmp/said || fail "fsc9p cat: $?"
	cmp /tmp/got /srv/size-65536 || fail "fsc9p reads wrong bytes beside the kernel"
	grep -q 'kernel, is using it' /tmp/said || fail "fsc9p doesn't say who has it: $(cat /tmp/said)"
	asked_since "$before" "in the kernel's hands, read by fsc9p"
}

has_lock() {
	grep -q OFDLCK /proc/locks
}

# And while fsc9p has it, it isn't the kernel's.
held_by_userspace() {
	mkfifo /tmp/pipe
	userspace cat /size-4194304 >/tmp/pipe &
	exec 5</tmp/pipe
	wait_until 20 has_lock || fail "fsc9p doesn't lock the folder"
	exec 6<>/dev/cachefiles
	echo "dir $folder" >&6
	echo "tag guest" >&6
	if echo bind >&6 2>/tmp/said; then
		fail "the kernel binds what fsc9p has"
	fi
	exec 6>&-
	dmesg | grep -q "libfscache: $folder can't be bound: a process is using it" ||
		fail "the kernel doesn't say why"
	cat <&5 >/tmp/got
	exec 5<&-
	wait $!
	cmp /tmp/got /srv/size-4194304 || fail "fsc9p reads wrong bytes after a bind"
}

changed_under_kernel() {
	kernel_ends
	change_served 20
	before=$(treads)
	kernel_begins
	compare_all "changed, read by the kernel"
	asked_since "$before" "changed, read by the kernel"
	settle
	kernel_ends
	before=$(treads)
	compare_userspace "read by the kernel, read by fsc9p"
	not_asked_since "$before" "read by the kernel, read by fsc9p"
}

changed_under_userspace() {
	change_back /srv 30
	change_served 30
	before=$(treads)
	compare_userspace "changed, read by fsc9p"
	asked_since "$before" "changed, read by fsc9p"
	userspace warm / 2>/tmp/said || fail "fsc9p warm: $(cat /tmp/said)"
	before=$(treads)
	kernel_begins
	compare_all "warmed by fsc9p again, read by the kernel"
	not_asked_since "$before" "warmed by fsc9p again, read by the kernel"
	kernel_ends
}

filled_by_kernel() {
	folder=/cache/theirs
	mkdir $folder
	kernel_begins
	compare_all "filled by the kernel"
	settle
	kernel_ends
	before=$(treads)
	compare_userspace "filled by the kernel, read by fsc9p"
	not_asked_since "$before" "filled by the kernel, read by fsc9p"
}

serve_versions
make_files 1
mount_cache_disk
load_module
partly_read_by_userspace
warmed_by_userspace
held_by_kernel
changed_under_kernel
held_by_userspace
changed_under_userspace
filled_by_kernel
unload_module || fail "the module can't be removed"
finish
