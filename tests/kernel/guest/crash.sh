# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# crash.sh PROTOCOL SEED - one life of a machine that is cut off (see ../crash.sh): what the last one
# left in the cache is compared with the server, then files are read, written and changed on the
# server until "CUT" is said, at a moment that SEED gives.
# shellcheck shell=sh

. /guest/lib.sh
. /guest/files.sh

seed=$2

chance() { # LIMIT: the next number below it
	seed=$(((seed * 1103515245 + 12345) & 0x7fffffff))
	chosen=$((seed / 65536 % $1))
}

# Names are few, so that most have been in the cache when they change.
random_file() { # FOLDER
	chance 12
	file=$1/c$chosen
}

work() {
	chance 20
	case $chosen in
	4) random_file /mnt && chance 900000 && io fill "$file" "$chosen" $seed ;;
	5 | 6)
		random_file /mnt
		chance 400000
		[ ! -f "$file" ] || io put "$file" "$chosen" 30000 $seed
		;;
	7) random_file /mnt && chance 300000 && [ -f "$file" ] && truncate -s "$chosen" "$file" ;;
	8) random_file /mnt && rm -f "$file" ;;
	9) change_below ;;
	*) random_file /mnt && cat "$file" >/dev/null 2>&1 ;;
	esac
}

# On the server, while the mount does not know of the file.
change_below() {
	[ "$protocol" != 9p ] || return 0
	random_file "$served"
	chance 300000
	[ ! -f "$file" ] || io put "$file" "$chosen" 20000 $seed
}

serve "$1"
cache_up
mount_cached
sums "$served" >/tmp/there
reads=$(cache_reads)
[ ! -s /tmp/there ] || hold_files "after the cut"
compare_with_sums "after the cut"
[ ! -s /tmp/there ] || let_go
say "$(wc -l </tmp/there) files, $(($(cache_reads) - reads)) reads of the cache"
[ $failed = 0 ] || finish
forget
compare_all "and again"
[ $failed = 0 ] || finish

chance 120
until=$chosen did=0
(
	usleep $((until * 100000))
	echo "CUT"
) &
while [ $did -lt 4000 ]; do
	did=$((did + 1))
	work
	chance 20
	case $chosen in
	0) echo 3 >/proc/sys/vm/drop_caches ;;
	1) sync ;;
	esac
done
sleep 60
die "nobody has cut me off"
