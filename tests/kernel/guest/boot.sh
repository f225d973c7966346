# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# boot.sh PROTOCOL - the shortest of all: read cold, read again from the cache, byte for byte.
# shellcheck shell=sh

. /guest/lib.sh

serve "$1"
mkdir -p $served/d
io fill $served/large 4000001 1
io fill $served/small 5000 2
io many $served/d 20 8192 3 >/dev/null
cache_up
mount_cached
compare_all cold
settle
remount
compare_all_cached warm
umount /mnt
cache_down
finish
