# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# lib.sh - what guest scripts share: a server in the guest, a mount of it that is cached, the cache,
# and proof of where bytes came from. Sourced; not run.
#
# The server's folder is "$served" in every case; change it there, and the server has changed. What
# the network filesystem shows is under /mnt.
# shellcheck shell=sh

. /guest/job
. /guest/complaints.sh

failed=0
mnt=/mnt smb_options=

fail() {
	echo "FAIL: $*"
	failed=1
}

die() {
	echo "FAIL: $*"
	dmesg | tail -n 15
	exit 1
}

skip() {
	echo "SKIP: $*"
	[ $failed = 0 ] || exit 1
	exit 77
}

finish() {
	[ -z "$guest_inject" ] || have_injected 20 failslab
	exit $failed
}

say() {
	echo "$(cut -d ' ' -f 1 /proc/uptime) $*"
}

uptime_seconds() {
	cut -d . -f 1 /proc/uptime
}

wait_until() { # SECONDS COMMAND...
	patience=$(($(uptime_seconds) + $1))
	shift
	until "$@"; do
		[ "$(uptime_seconds)" -lt $patience ] || return 1
		usleep 50000
	done
}

# --- The server ------------------------------------------------------------------------------

serve() { # nfs|9p|cifs|afs|ceph: one after the other, too
	protocol=$1
	case $protocol-$guest_kind in
	9p-uml | nfs-* | cifs-* | afs-*)
		served=/srv
		# (To smbd, the earliest of the three times is that of a file's creation, which has to
		# be the same for as long as the file is.)
		grep -q " /srv " /proc/mounts || mount -t ext4 -o noatime "/dev/$server_disk" /srv ||
			die "no disk to serve"
		;;
	9p-*)
		served=/share
		mkdir -p /share
		mount -t 9p -o trans=virtio,version=9p2000.L,cache=none,msize=262144 plain /share ||
			die "no folder of the host"
		;;
	esac
	case $protocol-$guest_kind in
	ceph-*) serve_ceph ;;
	nfs-*) serve_nfs ;;
	cifs-*) serve_smb ;;
	afs-*) serve_afs ;;
	9p-uml) serve_9p ;;
	esac
}

# The kernel's server, told what it exports without nfs-utils: its caches take what mountd would
# answer, for longer than any guest lives.
never=2147483647

# What is exported (no root squashing, any port, no subtree check), by its number; 0 is the root.
export_nfs() { # FOLDER NUMBER
	echo "guest $1 $never $((0x2402)) 65534 65534 $2" >/proc/net/rpc/nfsd.export/channel
	echo "guest 1 \\x0${2}000000 $never $1" >/proc/net/rpc/nfsd.fh/channel
}

serve_nfs() {
	# (for it, a client that was made in the first second after boot is one that has expired)
	wait_until 5 grep -qv '^[01]\.' /proc/uptime
	modprobe nfsd && mount -t nfsd nfsd /proc/fs/nfsd || die "no nfsd"
	# who asks
	echo "nfsd 127.0.0.1 $never guest" >/proc/net/rpc/auth.unix.ip/channel
	export_nfs /srv 0
	echo 10 >/proc/fs/nfsd/nfsv4leasetime
	echo 10 >/proc/fs/nfsd/nfsv4gracetime
	echo "-2 -3 +4 +4.1 +4.2" >/proc/fs/nfsd/versions 2>/dev/null
	mkdir -p /run/rpc_pipefs
	mount -t rpc_pipefs none /run/rpc_pipefs
	cld /run/rpc_pipefs/nfsd/cld &
	# (less memory would make it 32 KiB, and what 6.12 then does with folios: docs/kernel.md)
	echo 131072 >/proc/fs/nfsd/max_block_size
	echo 4 >/proc/fs/nfsd/threads || die "nfsd does not start"
}

listens() { # PORT
	grep -qE ":$(printf %04X "$1") 0+:0000 0A " /proc/net/tcp* 2>/dev/null
}

serve_9p() {
	command -v diod >/dev/null || skip "no diod to serve 9P with"
	modprobe 9pnet_fd
	(
		trap '' PIPE
		exec diod -f -n -N -e /srv -l 127.0.0.1:564 >/tmp/diod.log 2>&1
	) &
	wait_until 20 listens 564 || die "diod does not start: $(cat /tmp/diod.log)"
}

# (The kernel's own ksmbd is not in a state to be used: that of 6.1.192 dereferences NULL when a
# folder is opened. What is hidden, as names with a dot first would be, can't be overwritten by who
# doesn't say that it is.)
serve_smb() {
	command -v smbd >/dev/null || skip "no smbd to serve SMB with"
	mkdir -p /run/samba /var/log/samba
	cat >/etc/smb.conf <<-end
		[global]
		server role = standalone
		map to guest = bad user
		guest account = root
		load printers = no
		hide dot files = no
		disable spoolss = yes
		private dir = /run/samba
		state directory = /run/samba
		cache directory = /run/samba
		lock directory = /run/samba
		pid directory = /run/samba
		ncalrpc dir = /run/samba/ncalrpc
		log file = /tmp/smbd.log
		[srv]
		path = /srv
		read only = no
		guest ok = yes
	end
	smbd -D -s /etc/smb.conf && wait_until 60 listens 445 ||
		die "smbd does not start: $(tail -n 5 /tmp/smbd.log)"
}

# The cluster is on the host (../ceph.sh); its folder is seen by a client of its own, that isn't
# cached.
serve_ceph() {
	[ -n "${ceph_host-}" ] || skip "no Ceph: its servers are for QEMU's guests"
	modprobe virtio_net && modprobe ceph || die "no ceph"
	ip link set eth0 up && ip addr add "${ceph_host%.*}.2/24" dev eth0 || die "no network"
	served=/served
	mkdir -p /served
	mount_served
}

mount_served() {
	mount -i -t ceph -o noshare "$ceph_host:6789:/" /served || die "can't mount the cluster"
}

# Its folders are not files of the server, so a second client changes them. To that the cell has another
# name: volumes in the cache are told apart by the cell's.
#
# The programs without the bosserver that starts them elsewhere. Nobody has to say who he is, and who
# does not may do everything: so there are no keys, and no tickets.
serve_afs() {
	command -v fileserver >/dev/null || skip "no openafs to serve AFS with"
	modprobe kafs || skip "this kernel has no kafs"
	afs=10.9.0.1
	other_network $afs 10.9.0.2
	mkdir -p /srv/openafs/db /srv/openafs/local /srv/vicepa /vicepa /etc/openafs/server \
		/var/log/openafs /var/lib
	ln -s /srv/openafs /var/lib/openafs
	mount -o bind /srv/vicepa /vicepa
	touch /vicepa/AlwaysAttach /var/lib/openafs/local/NoAuth
	hostname afs
	echo "$afs afs" >>/etc/hosts
	echo guest >/etc/openafs/ThisCell
	printf '>guest\n%s #guest\n' $afs >/etc/openafs/CellServDB
	cp /etc/openafs/ThisCell /etc/openafs/CellServDB /etc/openafs/server/
	echo $afs >/var/lib/openafs/local/NetInfo
	[ -f /var/lib/openafs/db/prdb.DB0 ] ||
		echo 'system:administrators 130/20 -204 -204 -204' |
		pt_util -p /var/lib/openafs/db/prdb.DB0 -w >/dev/null 2>&1
	ptserver &
	vlserver &
	wait_until 120 has_vldb || die "no AFS databases: $(cat /var/log/openafs/*)"
	[ ! -f /vicepa/attached ] || salvager -partition /vicepa >/dev/null
	volserver &
	fileserver &
	wait_until 120 has_fileserver || die "no AFS server: $(cat /var/log/openafs/*)"
	[ -f /vicepa/attached ] || make_volume test >/tmp/vos.log 2>&1 ||
		die "no AFS volume: $(cat /tmp/vos.log /var/log/openafs/*)"
	touch /vicepa/attached
	served=/served
	mkdir -p $served
	# (Any other cell than the root one is looked for by DNS, also if its address is known.)
	echo "guest:$afs" >/proc/fs/afs/rootcell || die "no cell"
	nsenter -t $network -n sh -c "echo served:$afs >/proc/fs/afs/rootcell &&
		mount -i -t afs %test $served" || die "can't mount the second client"
}

# A new volume is for system:administrators (-204) only. So that it is for system:anyuser (-101), it is
# written down, and read again with that changed: to do it by the protocol, one would have to be the
# former.
make_volume() { # NAME
	vos create $afs a "$1" -maxquota 0 -noauth && vos dump "$1" -file /tmp/empty -noauth &&
		xxd -p /tmp/empty | tr -d '\n' | sed s/ffffff34/ffffff9b/ | xxd -r -p >/tmp/open &&
		vos restore $afs a "$1" -file /tmp/open -overwrite full -noauth
}

has_vldb() {
	vos listvldb -noauth >/dev/null 2>&1
}

has_fileserver() {
	vos status -server $afs -noauth >/dev/null 2>&1 &&
		vos listaddrs -noresolve -noauth 2>/dev/null | grep -q $afs
}

# Two networks joined by a cable: $network is a process in the second.
other_network() { # ADDRESS ADDRESS-THERE
	modprobe veth
	ip link add cable type veth
	unshare -n sleep 1000000 &
	network=$!
	wait_until 10 in_other_network || die "no second network"
	ip link set veth0 netns $network && ip addr add "$1/24" dev cable && ip link set cable up &&
		nsenter -t $network -n ip addr add "$2/24" dev veth0 &&
		nsenter -t $network -n ip link set veth0 up || die "no cable between networks"
}

in_other_network() {
	[ "$(readlink /proc/$network/ns/net)" != "$(readlink /proc/self/ns/net)" ]
}

# --- The mount -------------------------------------------------------------------------------

# One that uses the cache, if there is one.
mount_cached() {
	case $protocol-$guest_kind in
	nfs-*) mount_nfs fsc ;;
	# (diod's qids have no versions: without ignoreqv, nothing of it is cached)
	9p-uml) mount_9p 127.0.0.1 trans=tcp,port=564,aname=/srv,uname=root,ignoreqv,cache=fscache ;;
	9p-*) mount_9p cached trans=virtio,cache=fscache,cachetag=guest ;;
	cifs-*) mount_smb fsc ;;
	afs-*) mount_afs ;;
	ceph-*) mount_ceph fsc ;;
	esac || die "can't mount"
}

# One that doesn't, of the same server.
mount_uncached() {
	case $protocol-$guest_kind in
	nfs-*) mount_nfs nosharecache ;;
	9p-uml) mount_9p 127.0.0.1 trans=tcp,port=564,aname=/srv,uname=root,cache=loose ;;
	9p-*) mount_9p cached trans=virtio,cache=loose ;;
	cifs-*) mount_smb nosharesock ;;
	afs-*) mount_afs ;; # while there is no cache
	ceph-*) mount_ceph nofsc ;;
	esac || die "can't mount"
}

mount_nfs() { # OPTION
	modprobe nfsv4
	mount -i -t nfs4 -o "vers=4.2,addr=127.0.0.1,clientaddr=127.0.0.1,$1" 127.0.0.1:/ "$mnt"
}

mount_9p() { # SOURCE OPTIONS
	modprobe 9p
	mount -i -t 9p -o "version=9p2000.L,access=any,msize=65536,$2" "$1" "$mnt"
}

# (What it mounts is cached without being asked.)
mount_afs() {
	mount -i -t afs %test "$mnt"
}

mount_smb() { # OPTION
	modprobe cifs
	mount -i -t cifs -o "ip=127.0.0.1,unc=\\\\127.0.0.1\\srv,user=guest,pass=,vers=3.1.1${smb_options:+,$smb_options},$1" \
		//127.0.0.1/srv "$mnt"
}

# (A client each, or counters and caches would be one with those of $served.)
mount_ceph() { # OPTION
	mount -i -t ceph -o "noshare,$1" "$ceph_host:6789:/" /mnt
}

# Everything in memory is forgotten: what is read next comes from the cache or the server.
forget() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

remount() {
	umount /mnt || die "can't unmount"
	forget
	mount_cached
}

# --- The cache -------------------------------------------------------------------------------

load_module() {
	if [ -n "$guest_stock" ]; then
		modprobe cachefiles
	elif [ -e /guest/libfscache.ko ]; then
		for needed in $guest_depends; do
			modprobe "$needed"
		done
		# shellcheck disable=SC2086 # words
		insert libfscache /guest/libfscache.ko $guest_parameters
	fi || die "the module can't be loaded"
	[ -c /dev/cachefiles ] || die "the module has no /dev/cachefiles"
	aim_faults
}

unload_module() {
	if [ -n "$guest_stock" ]; then
		rmmod cachefiles
	elif [ -e /guest/libfscache.ko ]; then
		rmmod libfscache
	fi
}

cache_is_active() {
	grep -q ' A ' /proc/fs/fscache/caches
}

cache_is_gone() {
	! cache_is_active
}

# run.sh --inject: what fails does so from here on, until a daemon is to bind.
inject_faults() { # PERCENT
	[ -n "$guest_inject" ] || return 0
	. /guest/inject.sh
	for kind in failslab fail_page_alloc fail_function; do
		! can_inject $kind || inject "$1" $kind
	done
}

aim_faults() {
	[ -n "$guest_inject" ] || return 0
	. /guest/inject.sh
	can_inject failslab || skip "this kernel injects no faults"
	for kind in failslab fail_page_alloc fail_function; do
		! can_inject $kind || aim $kind
	done
}

# (cachefilesd 0.10.10 looks for freed memory among its objects by four bits of their addresses: of
# those that are drawn by lot 1 in 16 makes it abort. Of the fixed ones none does.)
start_daemon() { # [FOLDER]
	inject_faults 0
	echo 0 >/proc/sys/kernel/randomize_va_space
	printf 'dir %s\ntag guest\nbrun 10%%\nbcull 7%%\nbstop 3%%\nfrun 10%%\nfcull 7%%\nfstop 3%%\n' \
		"${1:-/cache}" >/etc/cachefilesd.conf
	cachefilesd -n -s -f /etc/cachefilesd.conf -p /run/cachefilesd.pid >>/tmp/cachefilesd.log 2>&1 &
	daemon=$!
	wait_until 60 cache_is_active || {
		cat /tmp/cachefilesd.log
		die "cachefilesd has not bound the cache"
	}
	inject_faults "$guest_inject"
}

stop_daemon() {
	kill -0 "$daemon" || fail "cachefilesd had ended: $(tail -n 3 /tmp/cachefilesd.log)"
	kill "$daemon"
	wait "$daemon"
	wait_until 60 cache_is_gone || fail "the cache is still there without cachefilesd"
	inject_faults 0
}

mount_cache_disk() {
	# (the filesystem is what the disk says)
	for disk_is in ext4 xfs btrfs; do
		mount -t $disk_is "/dev/$cache_disk" /cache 2>/dev/null && return
	done
	die "can't mount the cache's disk"
}

cache_up() {
	mount_cache_disk
	load_module
	start_daemon
}

cache_down() {
	stop_daemon
	unload_module || fail "the module can't be removed"
	wait_until 30 umount /cache || fail "the cache's disk is still in use"
}

# --- Where bytes came from -------------------------------------------------------------------

# How many reads and writes of the cache fscache has counted.
cache_reads() {
	sed -n 's/^IO .*rd=\([0-9]*\).*/\1/p' /proc/fs/fscache/stats
}

cache_writes() {
	sed -n 's/^IO .*wr=\([0-9]*\).*/\1/p' /proc/fs/fscache/stats
}

# KiB read from the cache's disk.
disk_read() {
	awk '{print int($3 / 2)}' "/sys/block/$cache_disk/stat"
}

netfs_count() { # NAME
	sed -n "s/.* $1=\([0-9]*\).*/\1/p;\$s/.*/0/p" /proc/fs/fscache/stats | head -n 1
}

# Bytes that the server has sent, by NFS, SMB and AFS; requests for bytes, by the others: netfs counts them
# (also those of the uncached mount).
server_read() {
	case $protocol in
	nfs) awk '/fstype nfs/ {n = 1} n && /bytes:/ {sum += $6; n = 0} END {print sum + 0}' \
		/proc/self/mountstats ;;
	ceph) awk '$1 == "read" {n += $2} END {print n + 0}' /sys/kernel/debug/ceph/*/metrics/size ;;
	cifs) awk '/Bytes read:/ {sum += $3} END {print sum + 0}' /proc/fs/cifs/Stats ;;
	afs) sed -n 's/^file-rd.* nb=\([0-9]*\).*/\1/p' /proc/fs/afs/stats ;;
	*) netfs_count DL ;;
	esac
}

none_is_looked_up() {
	grep -q held /tmp/held &&
		! grep -qE '^[0-9a-f]+ [0-9a-f]+ +[0-9]+ +[0-9]+ +[0-9]+ [LC] ' /proc/fs/fscache/cookies
}

# 6.1's cifs does not wait for a file to be looked up in the cache: what is read before comes from the
# server, and is not kept, as nobody has asked for it. So that all can be, files are opened before.
looks_up_late() {
	case $protocol-$(uname -r) in
	cifs-6.1.*) ;;
	*) return 1 ;;
	esac
}

hold_files() { # WHAT
	held=
	looks_up_late || return 0
	: >/tmp/held
	# (no name of ours has a space)
	# shellcheck disable=SC2046
	io hold $(find /mnt -type f) >/tmp/held &
	held=$!
	wait_until 60 none_is_looked_up || fail "$1: files are still looked up in the cache"
}

let_go() {
	[ -z "$held" ] || {
		kill "$held"
		wait "$held" 2>/dev/null
	}
}

# The background has stored what it will store.
settle() {
	! looks_up_late || {
		hold_files settle
		forget
		sums /mnt >/dev/null
		let_go
	}
	last='' calm=0
	while [ $calm -lt 5 ]; do
		sync
		now="$(cache_writes) $(du -s /cache | cut -f 1)"
		[ "$now" = "$last" ] && calm=$((calm + 1)) || calm=0
		last=$now
		usleep 300000
	done
}

# The client that changes files on the server holds nothing of them any more.
leave_served() {
	[ "$protocol" != ceph ] || umount /served || die "can't unmount the cluster"
}

# What all files of FOLDER are.
sums() { # FOLDER
	(cd "$1" && find . -type f ! -path './lost+found/*' | sort | xargs io sum)
}

# What is on the server. A client of Ceph that has written keeps the others from caching for a
# while: it goes, and comes again.
sum_server() {
	leave_served
	[ "$protocol" != ceph ] || mount_served
	sums "$served" >/tmp/there
}

# Every file of the server, through the mount: the same bytes, and no other names.
compare_all() { # WHAT
	sum_server
	compare_with_sums "$1"
}

compare_with_sums() { # WHAT
	sums /mnt >/tmp/here 2>&1
	cmp -s /tmp/there /tmp/here || fail "$1: server (-) and mount (+) differ:
$(diff -U 0 /tmp/there /tmp/here | grep '^[-+][0-9a-f]' | head -n 10)"
}

# What server_read may be although all was in the cache: of 9p, cachefiles of 6.12 does not keep what
# lies in a last block that is not full, and on XFS it misses some of NFS. Our module misses nothing.
let_off() {
	case $guest_stock-$protocol in
	1-nfs | 1-cifs) echo 65536 ;;
	1-*) awk '$2 % 4096' /tmp/there | wc -l ;;
	*) echo 0 ;;
	esac
}

# The same, and all bytes come from the cache.
compare_all_cached() { # WHAT
	sum_server
	hold_files "$1"
	# (folders are files to AFS, but not to its cache)
	[ "$protocol" != afs ] || find /mnt >/dev/null
	reads=$(cache_reads) kib=$(disk_read) server=$(server_read)
	compare_with_sums "$1"
	let_go
	reads=$(($(cache_reads) - reads)) kib=$(($(disk_read) - kib))
	server=$(($(server_read) - server))
	say "$1: $reads reads of the cache, $kib KiB of its disk; from the server: $server"
	# (The MDS may not have let it be cached when it was read last; this time it has.)
	if [ "$protocol" = ceph ] && [ $server -gt 0 ] && [ -z "${once_more-}" ]; then
		once_more=1
		settle
		remount
		compare_all_cached "$1, once more"
		once_more=
		return
	fi
	[ -z "$guest_inject" ] || return 0
	[ $reads -gt 0 ] || fail "$1: fscache has counted no reads"
	[ $kib -gt 0 ] || fail "$1: nothing was read from the cache's disk"
	[ $server -le "$(let_off)" ] || fail "$1: the server was asked for bytes"
}
