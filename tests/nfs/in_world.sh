#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# in_world.sh - run a test in a world of its own, with an NFS server's configuration ready.
#
#   in_world.sh VERSION COMMAND...
#
# Networks, processes, mounts and /run are the test's own: rpcbind and nfs-ganesha listen on every
# address, under fixed names, and go with the test. The command finds in its environment
#	NFS_DIR      a directory to write in, with export/ in it, which is exported
#	NFS_SERVER   the command that starts the server in the foreground
#	NFS_VERSION NFS_PORT NFS_MOUNT_PORT NFS_EXPORT
# Status 77 when that can't be had here.

set -u
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin

skip() {
	echo "SKIP: $*"
	exit 77
}

if [ -z "${NFS_WORLD-}" ]; then
	[ "$(id -u)" = 0 ] || skip "nfs-ganesha needs root"
	for program in ganesha.nfsd rpcbind ip unshare; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
	unshare -n -m -p --fork --mount-proc true 2>/dev/null ||
		skip "no namespaces of one's own (unshare)"
	NFS_WORLD=1
	export NFS_WORLD
	exec unshare -n -m -p --fork --kill-child --mount-proc sh "$0" "$@"
fi

NFS_VERSION=$1
shift
NFS_DIR=$(mktemp -d) || exit 1
trap 'rm -rf "$NFS_DIR"' EXIT
trap 'exit 1' HUP INT TERM

mount -t tmpfs none /run && mkdir -p /run/ganesha || skip "no /run of one's own"
ip link set lo up
[ -e /etc/mtab ] || skip "nfs-ganesha needs /etc/mtab"
mkdir "$NFS_DIR/export" "$NFS_DIR/recovery"
chmod 755 "$NFS_DIR" "$NFS_DIR/export"
NFS_PORT=20490 NFS_MOUNT_PORT=20048
if [ "$NFS_VERSION" = 3 ]; then
	rpcbind || skip "rpcbind does not start"
	NFS_EXPORT=$NFS_DIR/export
else
	NFS_EXPORT=/exp
fi
cat >"$NFS_DIR/ganesha.conf" <<END
NFS_CORE_PARAM {
	Protocols = $NFS_VERSION; NFS_Port = $NFS_PORT; MNT_Port = $NFS_MOUNT_PORT;
	Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false;
}
NFSv4 {
	Graceless = true; RecoveryBackend = fs; RecoveryRoot = $NFS_DIR/recovery;
	Delegations = false; Lease_Lifetime = 10; Grace_Period = 10; Only_Numeric_Owners = true;
}
NFS_KRB5 { Active_krb5 = false; }
EXPORT {
	Export_Id = 1; Path = $NFS_DIR/export; Pseudo = /exp; Protocols = $NFS_VERSION;
	Access_Type = RW; Squash = No_Root_Squash; SecType = sys; Transports = TCP;
	FSAL { Name = VFS; }
	# else it goes on telling what was before a file was changed beside it
	Attr_Expiration_Time = 0;
}
LOG { Default_Log_Level = EVENT; }
END
NFS_SERVER="ganesha.nfsd -F -f $NFS_DIR/ganesha.conf -L $NFS_DIR/ganesha.log -p $NFS_DIR/ganesha.pid"
export NFS_DIR NFS_SERVER NFS_VERSION NFS_PORT NFS_MOUNT_PORT NFS_EXPORT
"$@"
status=$?
[ "$status" = 0 ] || tail -5 "$NFS_DIR/ganesha.log" 2>/dev/null
exit "$status"
