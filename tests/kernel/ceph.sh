# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# ceph.sh - a Ceph cluster for guests under QEMU: one monitor, one OSD that keeps all in memory, one
# MDS, of this machine's packages ceph-common ceph-mon ceph-osd ceph-mds. Sourced after ../lib.sh.
#
# Clients connect to the addresses that the monitor tells, so cluster and guest share a network: a
# namespace of their own, which has nothing but a tap device and can't reach anything else.
# shellcheck shell=sh

ceph_host=198.51.100.1 # (TEST-NET-2: nobody's)
ceph_net='' ceph_folder=''

# Named for the folder, which may be another run's: again.sh boots twice with one cluster.
ceph_names() { # FOLDER
	ceph_folder=$1
	ceph_net=fsc-$(echo "$ceph_folder" | cksum | cut -d ' ' -f 1)
}

in_ceph_net() { # COMMAND...
	ip netns exec "$ceph_net" "$@"
}

ceph_says() { # PATTERN ARGUMENT...
	pattern=$1
	shift
	in_ceph_net timeout 20 ceph --conf "$ceph_folder/ceph.conf" "$@" 2>&1 | grep -q "$pattern"
}

# Where all is slow, who has just connected may ask the monitor for something before it knows what
# cluster it is in, and is refused. What is asked for here may be asked for again.
tried() { # COMMAND...
	for attempt in 1 2 3; do
		! "$@" >>"$ceph_folder/log" 2>&1 </dev/null || return 0
	done
	die "$* (tried $attempt times): $(tail "$ceph_folder/log")"
}

ceph_do() { # ARGUMENT...
	tried in_ceph_net timeout 60 ceph --conf "$ceph_folder/ceph.conf" "$@"
}

# Each goes into the background once it has started, its id in FOLDER/*.pid.
ceph_daemon() { # KIND ID
	tried in_ceph_net nice -n 10 "ceph-$1" --conf "$ceph_folder/ceph.conf" -i "$2"
}

ceph_network() {
	ip netns add "$ceph_net" 2>"$ceph_folder/log" || skip "no network namespace of its own"
	ip -n "$ceph_net" link set lo up &&
		ip -n "$ceph_net" tuntap add dev tap0 mode tap &&
		ip -n "$ceph_net" addr add "$ceph_host/24" dev tap0 &&
		ip -n "$ceph_net" link set tap0 up || skip "no tap device"
}

# Nobody else can reach it, so nobody has to prove who it is. The patience is a busy machine's.
ceph_config() {
	cat >"$ceph_folder/ceph.conf" <<-END
		[global]
		fsid = $1
		mon host = v1:$ceph_host:6789
		public addr = $ceph_host
		public network = $ceph_host/24
		ms bind msgr2 = false
		auth cluster required = none
		auth service required = none
		auth client required = none
		run dir = $ceph_folder
		admin socket = $ceph_folder/\$name.asok
		pid file = $ceph_folder/\$name.pid
		log file = $ceph_folder/\$name.log
		keyring = $ceph_folder/keyring
		mon data = $ceph_folder/mon
		osd data = $ceph_folder/osd
		mds data = $ceph_folder/mds
		osd objectstore = memstore
		memstore device bytes = 2147483648
		osd pool default size = 1
		osd pool default min size = 1
		osd pool default pg num = 8
		osd crush chooseleaf type = 0
		mon allow pool size one = true
		mds beacon grace = 300
		osd heartbeat grace = 300
	END
	mkdir -p "$ceph_folder/mon" "$ceph_folder/osd" "$ceph_folder/mds"
}

ceph_monitor() { # FSID
	ceph-authtool --create-keyring "$ceph_folder/keyring" --gen-key -n mon. --cap mon 'allow *' &&
		monmaptool --create --addv a "[v1:$ceph_host:6789]" --fsid "$1" "$ceph_folder/monmap" &&
		ceph-mon --conf "$ceph_folder/ceph.conf" --mkfs -i a --monmap "$ceph_folder/monmap"
} >>"$ceph_folder/log" 2>&1

ceph_up() { # FOLDER
	need ceph-mon ceph-osd ceph-mds ceph ceph-authtool monmaptool ip
	[ "$(id -u)" = 0 ] || skip "a network of its own wants root"
	mkdir -p "$1" && ceph_names "$(realpath "$1")"
	at_exit ceph_down
	ceph_network
	fsid=$(cat /proc/sys/kernel/random/uuid)
	osd=$(cat /proc/sys/kernel/random/uuid)
	ceph_config "$fsid"
	ceph_monitor "$fsid" || die "no monitor: $(tail "$ceph_folder/log")"
	ceph_daemon mon a
	ceph_do osd new "$osd" 0
	tried in_ceph_net ceph-osd --conf "$ceph_folder/ceph.conf" -i 0 --mkfs --osd-uuid "$osd"
	ceph_daemon osd 0
	ceph_daemon mds a
	ceph_do osd pool create meta 8
	ceph_do osd pool create data 8
	ceph_do fs new guest meta data
	wait_until 60 ceph_says up:active mds stat || die "no filesystem: $(tail "$ceph_folder/log")"
}

# One for all machines that are booted from here on.
ceph_for_all() { # FOLDER
	ceph_up "$1"
	FSC_CEPH=$ceph_folder
	export FSC_CEPH
}

# (There are some: whoever asks has killed a machine with mounts.)
ceph_list_clients() {
	in_ceph_net timeout 60 ceph --conf "$ceph_folder/ceph.conf" tell mds.a session ls \
		>"$ceph_folder/sessions" &&
		sed -n 's/^        "id": \([0-9]*\),.*/\1/p' "$ceph_folder/sessions" \
			>"$ceph_folder/clients" && [ -s "$ceph_folder/clients" ]
}

# Machines that were killed have all that the MDS has let them have, until it misses them: a minute.
ceph_forget_clients() {
	tried ceph_list_clients
	while read -r client; do
		ceph_do tell mds.a session evict "id=$client"
	done <"$ceph_folder/clients"
}

ceph_down() {
	for file in "$ceph_folder"/*.pid; do
		[ ! -s "$file" ] || kill -9 "$(cat "$file")" 2>/dev/null
	done
	ip netns del "$ceph_net" 2>/dev/null
}
