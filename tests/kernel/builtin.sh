#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# builtin.sh - User Mode Linux with this tree grafted into its source, built in.
#
#	builtin.sh BUILD
#
# BUILD then has vmlinux, and its modules in root/. The kernel is a copy of uml.sh's, kept in the
# cache folder beside it (2 GB, most of them hard links), of which only what a changed
# configuration and we ourselves make different is compiled: a minute, and half of one each time
# after. $JOBS: how many at once (2).

. "$(dirname "$0")/../lib.sh"
tree=$(cd "$(dirname "$0")/../.." && pwd)
. "$tree/tests/kernel/grafted.sh"

[ $# = 1 ] || die "usage: builtin.sh BUILD"
mkdir -p "$1" && build=$(cd "$1" && pwd) || die "no folder to build in"

# (the netfs library has no prompt: it is what its users are)
configure() {
	cat >builtin.config <<-END
		# CONFIG_CACHEFILES is not set
		CONFIG_LIBFSCACHE=y
		CONFIG_NET_9P=y
		CONFIG_NET_9P_FD=y
		CONFIG_9P_FS=y
	END
	"$folder/linux/scripts/kconfig/merge_config.sh" -m -O . .config builtin.config &&
		make ARCH=um olddefconfig && grep -qx CONFIG_LIBFSCACHE=y .config
}

compile() {
	cd "$folder/uml" || return 1
	grep -qx CONFIG_LIBFSCACHE=y .config || configure || return 1
	nice -n 10 make ARCH=um -j "${JOBS:-2}" vmlinux modules || return 1
	cmp -s vmlinux "$build/vmlinux" && return
	rm -rf "$build/root"
	make ARCH=um INSTALL_MOD_PATH="$build/root" modules_install && cp vmlinux "$build/"
}

make_tmp
grafted
compile >"$build/log" 2>&1 </dev/null || {
	tail -n 30 "$build/log"
	die "no kernel with us in it; see $build/log"
}
