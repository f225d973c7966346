# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# boot.sh PROTOCOL... - the short form, for each run of tests/run.sh: each read cold, warm from the cache, after a change on the
# server and one through the mount. The long form is coherence.sh.
# shellcheck shell=sh

. /guest/lib.sh
. /guest/files.sh

cache_up
for fs in "$@"; do
	say "$fs"
	serve "$fs"
	make_files 1
	mount_cached
	compare_all "$fs: cold"
	settle
	remount
	compare_all_cached "$fs: warm"
	umount /mnt || die "can't unmount"
	forget
	change_server 2
	mount_cached
	io put /mnt/size-65536 30000 20000 3
	sync
	compare_all "$fs: changed"
	remount
	compare_all "$fs: changed, mounted again"
	settle
	remount
	compare_all_cached "$fs: warm after changes"
	umount /mnt || die "can't unmount"
done
cache_down
finish
