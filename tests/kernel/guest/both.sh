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
	userspace get -r / /tmp/copy 2>/tmp/said || fail "$1: fsc9p get: $(cat /tmp/said)"
	sums /srv >/tmp/there
	sums /tmp/copy >/tmp/here
	cmp -s /tmp/there /tmp/here || fail "$1: server (-) and fsc9p (+) differ:
$(diff -U 0 /tmp/there /tmp/here | grep '^[-+][0-9a-f]' | head -n 10)"
	rm -rf /tmp/copy
}

# --- In the kernel ---------------------------------------------------------------------------

# By hand: what cachefilesd does is not the matter here.
bind_folder() { # FOLDER
	exec 6<>/dev/cachefiles
	echo "dir $1" >&6 && echo "tag guest" >&6 && echo bind >&6
}

# Closing the device is what ends it.
unbind_folder() {
	exec 6>&-
	wait_until 60 cache_is_gone || fail "the cache is still there"
}

kernel_begins() {
	bind_folder "$folder" || die "$folder can't be bound"
	modprobe 9p
	mount -i -t 9p -o "trans=tcp,port=564,version=9p2000.L,aname=/srv,uname=root,access=any\
,msize=65536,cache=fscache,cachetag=both/worlds" 127.0.0.1 /mnt || die "can't mount"
}

kernel_ends() {
	umount /mnt || die "can't unmount"
	forget
	unbind_folder
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
	hold_in_userspace
	! bind_folder "$folder" 2>/tmp/said || fail "the kernel binds what fsc9p has"
	exec 6>&-
	dmesg | grep -q "libfscache: $folder can't be bound: a process is using it" ||
		fail "the kernel doesn't say why"
	cat <&5 >/tmp/got
	exec 5<&-
	wait $!
	cmp /tmp/got /srv/size-4194304 || fail "fsc9p reads wrong bytes after a bind"
}

# Beginning to write what fsc9p reads to /tmp/pipe, and until that is read it has the folder.
hold_in_userspace() {
	rm -f /tmp/pipe
	mkfifo /tmp/pipe
	userspace cat /size-4194304 >/tmp/pipe &
	exec 5</tmp/pipe
	wait_until 20 has_lock || fail "fsc9p doesn't lock the folder"
}

# What is killed leaves a cache to the kernel too, unless the filesystem promises nothing: then there
# is a mark, which the kernel heeds, not knowing that the machine stayed up.
killed_in_userspace() {
	folder=/cache/killed
	mkdir $folder
	userspace --stats /tmp/stats warm / 2>/tmp/said || fail "fsc9p warm: $(cat /tmp/said)"
	kind=$(sed -n 's/.*"cache_kind":"\([a-z]*\)".*/\1/p' /tmp/stats)
	hold_in_userspace
	kill -9 "$(pidof fsc9p)"
	exec 5<&-
	wait $!
	before=$(treads)
	kernel_begins
	dmesg | grep -q "libfscache: /killed: $kind on" ||
		fail "for fsc9p the filesystem is '$kind', for the kernel it isn't"
	compare_all "fsc9p killed, read by the kernel"
	case $kind in
	volatile) asked_since "$before" "fsc9p killed, $kind, read by the kernel" ;;
	*) not_asked_since "$before" "fsc9p killed, $kind, read by the kernel" ;;
	esac
	settle
	kernel_ends
	before=$(treads)
	compare_userspace "closed by the kernel, read by fsc9p"
	not_asked_since "$before" "closed by the kernel, read by fsc9p"
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

# A map too long for ext4's xattrs: 2,500 pieces of 33,000 lie scattered. The kernel stores it, fsc9p
# adds to it, and the kernel finds what it had.
scattered() {
	folder=/cache/scattered
	mkdir $folder
	io fill /srv/large 135168000 5
	kernel_begins
	io rand /mnt/large 2500 1
	settle
	kernel_ends
	stored=$(find $folder/cache -type f -exec stat -c %s {} +)
	grep -q '/cache xfs' /proc/mounts || [ "$stored" -gt 135168000 ] ||
		fail "the map was to lie in the file, which has $stored bytes"
	for at in 1000000 80000000 135167999; do
		userspace cat --offset $at --length 1 /large >/tmp/got || fail "fsc9p cat: $?"
		tail -c +$((at + 1)) /srv/large | head -c 1 | cmp - /tmp/got ||
			fail "fsc9p reads a wrong byte at $at"
	done
	before=$(treads)
	kernel_begins
	io rand /mnt/large 2500 1
	not_asked_since "$before" "scattered, read by the kernel again"
	io same /mnt/large /srv/large 100 2 || fail "scattered: wrong bytes in the kernel"
	settle
	kernel_ends
	userspace --stats /tmp/stats cat --length 33554432 /large >/tmp/got
	head -c 33554432 /srv/large | cmp - /tmp/got || fail "scattered: wrong bytes from fsc9p"
	bytes=$(sed -n 's/.*"cache_read_bytes":\([0-9]*\).*/\1/p' /tmp/stats)
	say "scattered: $bytes bytes from the cache"
	[ "$bytes" -gt 2000000 ] || fail "fsc9p found too little of what the kernel had"
	rm /srv/large
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
killed_in_userspace
scattered
unload_module || fail "the module can't be removed"
finish
