# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# again.sh PROTOCOL fill|warm|killed|kept|changed - what a boot leaves for the next (see ../again.sh).
#
#	fill	read everything, and shut down properly
#	warm	all comes from the cache
#	killed	the same reads, then the machine is cut off ("CUT"), long after everything was stored
#	kept	at least half of what was read comes from the cache, or for cachefiles anything
#	changed	files change on the server before the cache is there: nothing stale
# shellcheck shell=sh

. /guest/lib.sh
. /guest/files.sh

serve "$1"
case $2 in
fill) make_files 1 ;;
changed) change_server 2 ;;
esac
cache_up
mount_cached
case $2 in
fill | killed) compare_all "$2" ;;
warm) compare_all_cached "$2" ;;
changed)
	compare_all "changed before"
	settle
	remount
	compare_all_cached "changed before, warm"
	;;
kept)
	all=$(du -sk "$served" | cut -f 1) kib=$(disk_read)
	compare_all "after the machine was killed"
	kib=$(($(disk_read) - kib))
	say "$kib of $all KiB from the disk of the cache"
	[ -n "$guest_stock" ] || [ $kib -gt $((all / 2)) ] ||
		fail "the cache kept too little of what was read long before"
	;;
esac
settle
if [ "$2" = killed ]; then
	[ $failed = 0 ] || finish
	echo "CUT"
	sleep 60
fi
umount /mnt
cache_down
finish
