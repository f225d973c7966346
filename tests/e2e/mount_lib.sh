# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# mount_lib.sh - what the tests of mounts share: clients that mount one server, each with a cache of
# its own, in the ways that each scenario is tried in.
#
#   . "$(dirname "$0")/mount_lib.sh"     with the build folder as the script's first argument
#
# What is checked is checked against the server's own folder, and what a client reads from the
# server is counted outside of it: by the proxy, or for NFS by the network's own counter.
#
#   FSC_CLIENT=9p|nfs     which program (9p, over diod; nfs over nfs-ganesha)
#   FSC_MODES="..."       in which ways, of those that the test has
# shellcheck shell=sh
# shellcheck disable=SC2034 # used by those who source this

. "$(dirname "$0")/lib.sh"

kind=${FSC_CLIENT:-9p}
[ "$(id -u)" = 0 ] || skip "mounting needs root"
[ -c /dev/fuse ] || skip "there is no /dev/fuse"
need fusermount3 python3
# In a world of its own, which takes along what is left behind: mounts and processes; and for NFS,
# whose servers listen everywhere and under fixed names, the network and /run.
if [ -z "${FSC_WORLD-}" ]; then
	fsc_unshare='-m --propagation slave -p --fork --kill-child --mount-proc'
	[ "$kind" = 9p ] || fsc_unshare="-n $fsc_unshare"
	# shellcheck disable=SC2086 # words
	if unshare $fsc_unshare true 2>/dev/null; then
		FSC_WORLD=1 exec unshare $fsc_unshare sh "$0" "$@"
	fi
	[ "$kind" = 9p ] || skip "no namespaces of one's own (unshare)"
	FSC_WORLD=0
fi
unset FSC_WORLD # of other scripts that this one runs

mounts= # that are up, or were

setup_mounts() {
	setup
	chmod 755 "$tmp"
	chmod 777 "$export"
	at_exit drop_mounts
}

serve() {
	if [ "$kind" = nfs ]; then
		server_ganesha_nfs
	else
		server_diod
	fi
}

# v3 wants a portmapper.
server_ganesha_nfs() {
	need ganesha.nfsd rpcbind ip
	program=$build/examples/nfs/fscnfs
	[ -x "$program" ] || skip "fscnfs is not built"
	[ -e /etc/mtab ] || skip "nfs-ganesha needs /etc/mtab"
	if [ -z "${fsc_portmapper-}" ]; then
		mount -t tmpfs none /run && mkdir -p /run/ganesha || skip "no /run of one's own"
		ip link set lo up
		rpcbind || skip "rpcbind does not start"
		fsc_portmapper=1
	fi
	mkdir -p "$tmp/recovery"
	cat >"$tmp/ganesha.conf" <<-END
		NFS_CORE_PARAM {
			Protocols = 3,4; NFS_Port = 20490; MNT_Port = 20048;
			Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false;
		}
		NFSv4 {
			Graceless = true; RecoveryBackend = fs; RecoveryRoot = $tmp/recovery;
			Delegations = false; Lease_Lifetime = 10; Grace_Period = 10;
			Only_Numeric_Owners = true;
		}
		NFS_KRB5 { Active_krb5 = false; }
		EXPORT {
			Export_Id = 1; Path = $export; Pseudo = /exp; Protocols = 3,4;
			Access_Type = RW; Squash = No_Root_Squash; SecType = sys;
			Transports = TCP; FSAL { Name = VFS; }
			# else it goes on telling what was before a file was changed beside it
			Attr_Expiration_Time = 0;
		}
		LOG { Default_Log_Level = EVENT; }
	END
	ganesha.nfsd -F -f "$tmp/ganesha.conf" -L "$tmp/server.log" -p "$tmp/ganesha.pid" \
		>"$tmp/server.out" 2>&1 &
	server_pid=$!
	wait_until 60 nfs_answers && kill -0 "$server_pid" 2>/dev/null ||
		skip "ganesha did not start: $(tail -n 1 "$tmp/server.log")"
}

nfs_answers() {
	kill -0 "$server_pid" 2>/dev/null || return 0
	timeout -k 5 10 "$program" --no-cache $(address none) stat / >/dev/null 2>&1
}

address() { # NAME: the options that say where the server is
	if [ "$kind" = nfs ]; then
		echo "--server nfs://127.0.0.1:20490$export --nfs-version 3 --mount-port 20048"
	else
		echo "--server unix:$tmp/$1.sock --aname $export"
	fi
}

# ---- mounts ----

begin_proxy() { # NAME
	rm -f "$tmp/$1.sock"
	[ -p "$tmp/ready" ] || mkfifo "$tmp/ready"
	# shellcheck disable=SC2086 # words
	"$proxy" --listen "unix:$tmp/$1.sock" --connect "$server" --report "$tmp/$1.report" \
		$proxy_options >"$tmp/ready" 2>"$tmp/$1.proxy" &
	eval "$1_proxy=$!"
	read -r fsc_line <"$tmp/ready" || die "the proxy did not start: $(cat "$tmp/$1.proxy")"
}

end_proxy() { # NAME
	eval "fsc_pid=\${$1_proxy-}"
	[ -z "$fsc_pid" ] || {
		kill "$fsc_pid"
		wait "$fsc_pid"
	}
	eval "$1_proxy="
}

# Mount at $tmp/NAME. Through a proxy of its own, which stays from one mount to the next.
others=allow_other
up() { # NAME [-o OPTIONS] [OPTION...]
	fsc_at=$1 fsc_with=$others
	shift
	if [ "${1-}" = -o ]; then
		fsc_with=$fsc_with,$2
		shift 2
	fi
	case $mode in
	uncached) set -- --no-cache "$@" ;;
	through) fsc_with=$fsc_with,nopassthrough ;;
	esac
	mkdir -p "$tmp/$fsc_at"
	eval "fsc_pid=\${${fsc_at}_proxy-}"
	[ "$kind" != 9p ] || [ -n "$fsc_pid" ] || begin_proxy "$fsc_at"
	# shellcheck disable=SC2046,SC2086 # words
	$prefix "$program" $(address "$fsc_at") --cache "$tmp/cache-$fsc_at" --clock-slack 2 \
		--stats "$tmp/stats-$fsc_at" "$@" mount -f -o "$fsc_with" "$tmp/$fsc_at" \
		>>"$tmp/err" 2>&1 &
	eval "${fsc_at}_pid=$!"
	mounts="$mounts $fsc_at"
	wait_until 30 up_or_ended "$fsc_at"
	is_mounted "$fsc_at" || {
		wrong "$fsc_at can't be mounted"
		finish
	}
}

# By what is listed: nothing is asked of the mount, which may be somebody else's, or dead.
is_mounted() { # NAME
	grep -q " $tmp/$1 " /proc/self/mountinfo
}

pid_of() { # NAME
	eval "echo \${$1_pid-}"
}

up_or_ended() {
	is_mounted "$1" || ! kill -0 "$(pid_of "$1")" 2>/dev/null
}

# Unmount in good order: the program ends by itself, with status 0 and all stored.
down() { # NAME
	fusermount3 -u "$tmp/$1" || {
		wrong "$1 can't be unmounted"
		fusermount3 -u -z "$tmp/$1"
	}
	ended "$1"
	[ "$status" = 0 ] || wrong "the mount $1 ended with $status"
}

ended() { # NAME: the program has; $status
	fsc_pid=$(pid_of "$1")
	wait_until 30 is_gone "$fsc_pid" || {
		wrong "$1 doesn't end"
		kill -KILL "$fsc_pid"
	}
	wait "$fsc_pid"
	status=$?
	eval "$1_pid="
}

is_gone() {
	! kill -0 "$1" 2>/dev/null || [ "$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -c 1)" = Z ]
}

# kill -9, and the mount point made usable again.
crash() { # NAME
	kill -KILL "$(pid_of "$1")" 2>/dev/null
	ended "$1" 2>/dev/null
	fusermount3 -u -z "$tmp/$1" 2>/dev/null
	! is_mounted "$1" || wrong "$1 is still mounted"
}

drop_mounts() {
	for fsc_at in $mounts; do
		fsc_pid=$(pid_of "$fsc_at")
		[ -z "$fsc_pid" ] || kill -CONT "$fsc_pid" 2>/dev/null
		[ -z "$fsc_pid" ] || kill -KILL "$fsc_pid" 2>/dev/null
		fusermount3 -u -z "$tmp/$fsc_at" 2>/dev/null
		[ "$kind" != 9p ] || end_proxy "$fsc_at" 2>/dev/null
	done
	mounts=
}

again() { # NAME [OPTION...]: down, and up as another process
	down "$1"
	up "$@"
}

# ---- in which ways ----

mode=cached

# cached: with all it has. through: without passthrough. uncached: --no-cache. killed: with kill -9
# at each halfway.
each_mode() { # SCENARIO MODE...: the scenario finds an empty export and no caches
	fsc_scenario=$1
	shift
	for mode in ${FSC_MODES:-"$@"}; do
		find "$export" -mindepth 1 -delete
		rm -rf "$tmp"/cache-* "$tmp/err"
		$fsc_scenario
		for fsc_at in $(echo "$mounts" | tr ' ' '\n' | sort -u); do
			[ -z "$(pid_of "$fsc_at")" ] || down "$fsc_at"
			[ "$kind" != 9p ] || end_proxy "$fsc_at"
		done
		mounts=
	done
}

stage() { # WHAT...
	begin "$kind, $mode: $*"
}

halfway() { # NAME [OPTION...]: of `up'
	[ "$mode" = killed ] || return 0
	crash "$1"
	up "$@"
}

# ---- checks ----

# What an open file still has to give, without asking what it is: that may be gone.
rest_is() { # FILE <FILE-THAT-IS-OPEN
	python3 "$e2e/mount_ops.py" rest >"$tmp/out" 2>"$tmp/rest.err" && cmp "$tmp/out" "$1"
}

# The kernel's caches, all of them: what is read next comes from the mount's program, or the disk.
forget() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

same_file() { # NAME PATH
	cmp "$tmp/$1/$2" "$export/$2" || wrong "$2, read through $1, is not the server's"
}

listing() { # FOLDER: all that stat tells, but of the top
	# (a folder's size and number of links are its filesystem's business)
	(cd "$1" && find . -mindepth 1 \( -type d -printf '%P %y %m %U %G %T@\n' -o \
		-printf '%P %y %m %U %G %T@ %s %n %l\n' \)) | sort
}

same_listing() {
	listing "$export" >"$tmp/listed-server"
	listing "$tmp/$1" | cmp -s - "$tmp/listed-server"
}

# Each name, attribute and byte.
same_tree() { # NAME
	diff -r --no-dereference "$export" "$tmp/$1" >"$tmp/diff" 2>&1 || {
		wrong "$1 differs from the server's tree"
		head -n 10 "$tmp/diff"
	}
	listing "$export" >"$tmp/listed-server"
	listing "$tmp/$1" >"$tmp/listed-$1"
	diff "$tmp/listed-server" "$tmp/listed-$1" >"$tmp/diff" || {
		wrong "$1 lists something else"
		head -n 10 "$tmp/diff"
	}
}

# Bytes of file data that NAME got from the server, since its proxy was begun; for NFS all bytes on
# the network.
server_bytes() { # NAME
	if [ "$kind" = nfs ]; then
		cat /sys/class/net/lo/statistics/rx_bytes
		return
	fi
	rm -f "$tmp/$1.report"
	eval "kill -USR1 \$$1_proxy"
	wait_until 10 [ -s "$tmp/$1.report" ] || die "the proxy doesn't report"
	number_in "$tmp/$1.report" rread_bytes
}

counting() { # NAME
	fsc_bytes=$(server_bytes "$1")
}

# Since counting. Of NFS attributes and names are on the same wire: how much exactly came of data can't
# be told there, and up to a third of what the data would be passes for nothing.
came() { # NAME BYTES
	fsc_came=$(($(server_bytes "$1") - fsc_bytes))
	[ "$kind" = 9p ] || return 0
	[ "$fsc_came" = "$2" ] || wrong "$fsc_came bytes came from the server, wanted $2"
}

came_nothing() { # NAME INSTEAD-OF
	fsc_came=$(($(server_bytes "$1") - fsc_bytes))
	fsc_most=0
	[ "$kind" = 9p ] || fsc_most=$(($2 / 3))
	[ "$fsc_came" -le "$fsc_most" ] || wrong "$fsc_came bytes came from the server, wanted none"
}

has_cache() {
	[ "$mode" != uncached ]
}

# Each granule in the caches is what the server has.
caches_right() { # NAME...
	has_cache && [ "$kind" = 9p ] || return 0
	for fsc_at in "$@"; do
		cache=$tmp/cache-$fsc_at
		if [ "$mode" = killed ]; then
			verified --killed
		else
			verified
		fi
	done
}
