#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# run.sh - boot a kernel, load our module, run a script there.
#
#	sh tests/kernel/run.sh [OPTION...] KERNEL SCRIPT [ARGUMENT...]
#
# KERNEL	6.1 or 6.12: Debian's stock kernel, emulated by QEMU (6 to 30 s for each boot)
#		uml: User Mode Linux 6.12 (one CPU; built when first wanted: 20 minutes);
#		uml-builtin: with our module in the kernel
#		uml-debug, x86-debug: those that debug.sh builds, to find mistakes
# SCRIPT	a file of this machine, run there by busybox's sh; it begins with `. /guest/lib.sh`.
#		The scripts in guest/ are meant, and say what they do.
#
# --stock		the kernel's own cachefiles instead of our module
# --module FILE		this module; without, it is built of this tree
# --parameters TEXT	of our module, "NAME=VALUE..."
# --cache ext4|xfs|btrfs	what the cache lies on (ext4; UML has no btrfs)
# --size MB		how large that is (512)
# --with PROGRAM	this program of this machine is there, too; may be given several times
# --keep FOLDER		keep cache.img, server.img and share/ there: a second run with the same
#			folder is the same machine booted again
# --kill TEXT		kill -9 the machine when a line of the script's output begins with TEXT
# --log FILE		write a log of what reached the cache's disk, for cut.py
# --multidevs KIND	how QEMU's server numbers files (remap)
# --poison		memory that was freed is poisoned, and who allocated what is kept: without a
#			debug kernel, but in that which is used, with two CPUs
# --inject PERCENT	of what the module needs (memory, also for the filesystem; its own functions, where
#		that can be had) fails while a cache is bound; the script then isn't to ask where
#		bytes came from, but how often something failed
# --timeout SECONDS	(600)
# --memory MB		(768; 2048 of a debug kernel); of QEMU, below 256: its root is on a disk
# --cpus N		of QEMU (2)
# --count		6.1 and 6.12: one CPU whose clock is the instructions it has executed, 1 ns each:
#			what is measured in CPU time then repeats (guest/speed.sh)
# --disk FILE		one more disk, /dev/ and the next word of $more_disks there; what is written to it
#			is gone with the machine
#
# The guest has /dev/$cache_disk (the cache) and /dev/$server_disk (what its server serves, ext4),
# and under QEMU a folder of this machine by 9P. What the script prints comes out; the status is
# the script's, 77 skipped, 124 out of time, 125 the guest died, 137 killed as wished, 99 if the
# script succeeded but the kernel complained (BUG, WARNING, Oops, KASAN, lockdep, a hung task; memory
# that nobody refers to any more, if it has kmemleak).
#
# Wants the packages qemu-system-x86 busybox-static cpio kmod e2fsprogs xfsprogs gcc, for UML also
# flex bison bc; diod to serve 9P in UML. The rest (servers.sh, too) is downloaded into the cache
# folder.

. "$(dirname "$0")/../lib.sh"
source=$(cd "$(dirname "$0")/../.." && pwd)
. "$source/tests/kernel/lib.sh"
. "$source/tests/kernel/ceph.sh"
. "$source/tests/kernel/servers.sh"
. "$source/tests/kernel/disk_root.sh"

usage() {
	sed -n '/^#	sh /,/^$/s/^#[	 ]\{0,1\}//p' "$source/tests/kernel/run.sh" >&2
	exit 2
}

stock='' module='' filesystem=ext4 size=512 keep='' kill_at='' log='' limit=600 memory=''
programs='' more='' count='' cpus=2 parameters='' multidevs=remap poison='' inject='' machine_is=pc
while [ $# -gt 0 ]; do
	case $1 in
	--stock) stock=1 ;;
	--module) module=$2 && shift ;;
	--cache) filesystem=$2 && shift ;;
	--size) size=$2 && shift ;;
	--with) programs="$programs $2" && shift ;;
	--keep) keep=$2 && shift ;;
	--kill) kill_at=$2 && shift ;;
	--log) log=$2 && shift ;;
	--multidevs) multidevs=$2 && shift ;;
	--poison) poison="slub_debug=FZPU page_poison=1 kfence.sample_interval=20" ;;
	--inject) inject=$2 && shift ;;
	--timeout) limit=$2 && shift ;;
	--memory) memory=$2 && shift ;;
	--disk) more="$more $2" && shift ;;
	--count) count=1 ;;
	--cpus) cpus=$2 && shift ;;
	--parameters) parameters=$2 && shift ;;
	-*) usage ;;
	*) break ;;
	esac
	shift
done
[ $# -ge 2 ] || usage
kernel=$1 script=$2
shift 2
case $kernel in
*-debug) debug=1 poison=page_poison=1 default=2048 machine_is=q35 ;;
*) debug='' default=768 ;;
esac
: "${memory:=$default}"
[ -f "$script" ] || die "no such script: $script"

make_disk() { # FILE KIND MB
	truncate -s "$3M" "$1.part" || return 1
	case $2 in
	ext4) mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$1.part" ;;
	xfs) mkfs.xfs -q -f -s size=4096 "$1.part" ;;
	btrfs) mkfs.btrfs -q -f "$1.part" >/dev/null ;;
	*) die "the cache lies on ext4, xfs or btrfs" ;;
	esac || return 1
	mv "$1.part" "$1"
}

prepare_disks() {
	need mkfs.ext4 mkfs.xfs truncate
	[ "$filesystem" != btrfs ] || need mkfs.btrfs
	: "${keep:=$tmp}"
	mkdir -p "$keep/share"
	[ -f "$keep/cache.img" ] || make_disk "$keep/cache.img" "$filesystem" "$size" ||
		die "no disk for the cache"
	[ -f "$keep/server.img" ] || make_disk "$keep/server.img" ext4 512 ||
		die "no disk for the server"
}

root_on_disk() {
	case $kernel in
	uml*) return 1 ;;
	esac
	[ "$memory" -lt 256 ]
}

# The initramfs for this run: the kernel's, and the scripts and the module after it.
prepare_job() { # ARGUMENT...
	mkdir -p "$tmp/job/guest"
	cp "$source/tests/kernel/guest/"*.sh "$tmp/job/guest/" &&
		cp "$source/tests/kernel/guest/init" "$tmp/job/init" &&
		cp "$script" "$tmp/job/guest/script" || die "can't copy"
	chmod 755 "$tmp/job/init"
	for program in $programs; do
		copy_program "$program" "$tmp/job" || die "no program $program"
	done
	[ -z "$module" ] || cp "$module" "$tmp/job/guest/libfscache.ko" || die "no module"
	{
		kind=${kernel%-debug}
		echo "guest_kind=${kind%-builtin} guest_debug=$debug guest_out=$tmp/guest"
		echo "guest_stock=$stock guest_inject=$inject"
		echo "guest_arguments='$*' guest_limit=$((limit * 4 / 5))"
		echo "guest_parameters='$parameters'"
		[ -z "$module" ] ||
			echo "guest_depends='$(modinfo -F depends "$module" | tr , ' ')'"
		[ -z "$ceph_net" ] || echo "ceph_host=$ceph_host"
		case $kernel in
		uml*) echo "cache_disk=ubda server_disk=ubdb more_disks='$(more_disks ubd)'" ;;
		*) echo "cache_disk=vda server_disk=vdb more_disks='$(more_disks vd)'" ;;
		esac
	} >"$tmp/job/guest/job"
	mkdir -p "$tmp/guest"
	: >"$tmp/guest/out"
	(cd "$tmp/job" && find . | cpio -o -H newc --quiet) >"$tmp/job.cpio" || die "no job"
	if root_on_disk; then
		make_disk_root "$initramfs" "$tmp/job.cpio"
	else
		cat "$initramfs" "$tmp/job.cpio" >"$tmp/initrd" || die "no initramfs"
	fi
}

disk() { # NAME FILE: with what tells of lost power if --log is given
	if [ "$1" != cache ] || [ -z "$log" ]; then
		echo "-drive file=$2,format=raw,if=none,id=$1,cache=unsafe,discard=unmap"
		return
	fi
	logging_disk "$1" "$2"
}

# (Flushes are logged, but this machine need not flush.)
logging_disk() { # NAME FILE
	: >"$log"
	echo "--blockdev driver=file,filename=$2,node-name=file-$1,cache.no-flush=on"
	echo "--blockdev driver=raw,file=file-$1,node-name=raw-$1,cache.no-flush=on"
	echo "--blockdev driver=file,filename=$log,node-name=log-$1,cache.no-flush=on"
	echo "--blockdev driver=blklogwrites,file=raw-$1,log=log-$1,log-sector-size=512,node-name=$1"
}

# For UML, which writes to a file: one that is QEMU's logging disk.
start_uml_log() {
	need qemu-storage-daemon
	[ -c /dev/fuse ] || skip "no /dev/fuse to log the writes of UML with"
	: >"$tmp/cache.fuse"
	# shellcheck disable=SC2046 # words
	qemu-storage-daemon $(logging_disk cache "$keep/cache.img") --export \
		"type=fuse,id=out,node-name=cache,mountpoint=$tmp/cache.fuse,writable=on" \
		>"$tmp/storage" 2>&1 &
	uml_log=$!
	at_exit stop_uml_log
	wait_until 10 [ -s "$tmp/cache.fuse" ] || die "no logging disk: $(cat "$tmp/storage")"
	uml_cache=$tmp/cache.fuse
}

# It ends when all is written.
stop_uml_log() {
	[ -z "$uml_log" ] || { kill "$uml_log" && wait "$uml_log"; }
	uml_log=
}

# The names in the guest of what --disk has named.
more_disks() { # PREFIX
	letters='c d e f g h'
	for file in $more; do
		echo "$1${letters%% *}"
		letters=${letters#* }
	done
}

more_qemu_disks() {
	id=more0
	for file in $more; do
		id=more$((${id#more} + 1))
		echo "-drive file=$file,format=raw,if=none,id=$id,snapshot=on,cache=unsafe"
		echo "-device virtio-blk-pci,drive=$id"
	done
}

# (The file that takes the changes must not be there yet.)
more_uml_disks() {
	# shellcheck disable=SC2046 # words
	set -- $(more_disks ubd)
	for file in $more; do
		echo "$1=$tmp/$1.cow,$file"
		shift
	done
}

# A 9P channel carries one mount at a time, hence the folder twice: cached, and to compare.
share() { # TAG
	echo "-fsdev local,id=$1,path=$keep/share,security_model=none,multidevs=$multidevs"
	echo "-device virtio-9p-pci,fsdev=$1,mount_tag=$1"
}

# Its network is the cluster's.
find_ceph() {
	case $kernel in
	uml*) skip "no ceph in this UML" ;;
	esac
	if [ -n "${FSC_CEPH-}" ]; then
		ceph_names "$FSC_CEPH"
	else
		ceph_up "$tmp/ceph"
	fi
}

ceph_qemu() {
	[ -z "$ceph_net" ] || echo "-netdev tap,id=ceph,ifname=tap0,script=no,downscript=no
-device virtio-net-pci,netdev=ceph,romfile="
}

cpus() {
	if [ -n "$count" ]; then
		echo "-accel tcg,thread=single,tb-size=512 -smp 1 -icount shift=0,sleep=off"
	else
		echo "-accel tcg,thread=multi,tb-size=512 -smp $cpus"
	fi
}

# (The TSC is measured wrongly while the host is busy: the guest's clock would run. The table of interrupts
# of QEMU's "pc" is a program, and a debug kernel too slow for it: it gives up after 30 s for each disk.)
start_qemu() {
	# shellcheck disable=SC2046 # words
	exec ${ceph_net:+ip netns exec "$ceph_net"} \
		qemu-system-x86_64 -machine "$machine_is" $(cpus) -cpu max -m "$memory" \
		-nodefaults -no-reboot -display none \
		-kernel "$vmlinuz" -initrd "$tmp/initrd" \
		-serial "file:$tmp/console" -serial "file:$tmp/guest/out" \
		$(disk cache "$keep/cache.img") -device virtio-blk-pci,drive=cache \
		$(disk server "$keep/server.img") -device virtio-blk-pci,drive=server \
		$(more_qemu_disks) \
		$(root_on_disk && disk root "$tmp/root.img" && echo "-device virtio-blk-pci,drive=root") \
		$(share cached) $(share plain) $(ceph_qemu) \
		-append "console=ttyS0 loglevel=5 panic=-1 oops=panic no_timer_check tsc=unstable \
clocksource=acpi_pm mitigations=off nokaslr audit=0 random.trust_cpu=on $poison"
}

start_uml() {
	# shellcheck disable=SC2046,SC2086 # words
	exec "$vmlinuz" "mem=${memory}M" "initrd=$tmp/initrd" \
		"ubda=${uml_cache:-$keep/cache.img}" "ubdb=$keep/server.img" $(more_uml_disks) \
		"uml_dir=$tmp/" "umid=uml" \
		con=null con0=null,fd:1 ssl=null loglevel=5 panic=-1 oops=panic $poison
}

start() {
	case $kernel in
	uml*) start_uml ;;
	*) start_qemu ;;
	esac >"$tmp/machine" 2>&1 </dev/null
}

# UML is several processes, all children of the first.
kill_machine() {
	[ -n "$machine" ] || return 0
	# shellcheck disable=SC2046 # words
	kill -9 "$machine" $(ps -o pid= --ppid "$machine") 2>/dev/null
}

# True when it is to be killed: $ended says with what status then.
overdue() {
	if [ -n "$kill_at" ] && grep -q "^$kill_at" "$tmp/guest/out"; then
		ended=137
	elif [ "$(date +%s)" -gt "$deadline" ]; then
		ended=124
	else
		return 1
	fi
}

run_machine() {
	start &
	machine=$!
	at_exit kill_machine
	tail -f -n +1 --pid="$machine" -s 0.1 "$tmp/guest/out" 2>/dev/null &
	shown=$!
	deadline=$(($(date +%s) + limit)) ended=
	while kill -0 "$machine" 2>/dev/null; do
		! overdue || kill_machine
		sleep 0.05
	done
	wait "$machine" 2>/dev/null
	machine=
	wait "$shown"
}

# Of what was killed nobody has asked: its console says.
killed_complains() {
	. "$source/tests/kernel/guest/complaints.sh" # $pattern
	cat "$tmp/console" "$tmp/machine" 2>/dev/null | grep -aE "$pattern" |
		sed 's/^/guest: kernel: /' | grep .
}

# The first in full, without what was only found lying on the stack.
show_complaint() {
	. "$source/tests/kernel/guest/complaints.sh" # $pattern
	cat "$tmp/console" "$tmp/machine" 2>/dev/null | awk -v "pattern=$pattern" '
		$0 ~ pattern {found = 1}
		found && !/] \? / && n++ < 150'
}

result() {
	[ -n "$ended" ] || ended=$(sed -n 's/\r//; s/^guest: ended with //p' "$tmp/guest/out")
	: "${ended:=125}"
	case $ended in
	0 | 77) ! grep -q '^guest: kernel: ' "$tmp/guest/out" || ended=99 ;;
	137) ! killed_complains || ended=99 ;;
	esac
	case $ended in
	0 | 77 | 137) ;;
	99) show_complaint ;;
	*) cat "$tmp/console" "$tmp/machine" 2>/dev/null | tail -n 60 ;;
	esac
	exit "$ended"
}

make_tmp
mkdir -p "$cache" || die "no cache folder"
find_kernel "$kernel"
[ -n "$stock$module" ] || [ "$kernel" = uml-builtin ] ||
	build_module "$kernel" "${FSC_BUILD:-$source/build}/module-$kernel"
for word in "$@"; do
	copy_server "$word" "$tmp/job"
done
find_initramfs
prepare_disks
case " $* " in
*" ceph "*) find_ceph ;;
esac
prepare_job "$@"
uml_log='' uml_cache=''
case $log/$kernel in
*?/uml*) start_uml_log ;;
esac
run_machine
stop_uml_log
result
