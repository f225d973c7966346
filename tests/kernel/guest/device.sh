# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# device.sh - the cache's device by hand, without a daemon; and what a netfs notices. Sourced after
# lib.sh; not run.
# shellcheck shell=sh

# Its closing would withdraw the cache.
bind_device() { # BYTES: a budget, or 0
	exec 9<>/dev/cachefiles
	echo "dir /cache" >&9
	echo "tag guest" >&9
	[ -n "$guest_stock" ] || [ "$1" = 0 ] || echo "max_bytes $1" >&9
	echo "bind" >&9 || die "the cache can't be bound"
	cache_is_active || die "the cache is not active"
}

unbind_device() {
	exec 9>&-
	wait_until 60 cache_is_gone || die "the cache can't be unbound"
}

# See churn.c. (QEMU's 9P makes a version of size and mtime; diod has none.)
notices() {
	case $protocol-$guest_kind in
	9p-uml) echo none ;;
	9p-*) echo time ;;
	*) echo every ;;
	esac
}
