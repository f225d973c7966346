# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# both_qemu.sh - QEMU's own server, whose files fsc9p has warmed on the host before this machine was
# started: all comes from the cache. Then a folder is filled for the host. (See ../both.sh.)
# shellcheck shell=sh

. /guest/lib.sh

begin() { # FOLDER
	exec 6<>/dev/cachefiles
	echo "dir /cache/$1" >&6 && echo "tag guest" >&6 && echo bind >&6 ||
		die "$1 can't be bound"
	mount_cached
}

end() {
	umount /mnt || die "can't unmount"
	forget
	exec 6>&-
	wait_until 60 cache_is_gone || fail "the cache is still there"
}

serve 9p
mount_cache_disk
load_module
begin warmed
compare_all_cached "warmed by fsc9p on the host"
end

# Of the same size, another second: here, so that the host's clock and this one needn't agree.
io fill /share/changes 20000 7
touch -d @1700000000 /share/changes
server=$(server_read)
begin warmed
compare_all "changed after it was warmed"
[ "$(server_read)" -gt "$server" ] || fail "what was changed was not read from the server"
end

begin filled
compare_all "filled for the host"
settle
end
unload_module || fail "the module can't be removed"
umount /cache || fail "the cache's disk is still in use"
finish
