# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# lib.sh - what the tests on real filesystems share: images, mounts, rounds that can be gone on
# with.
#
#   . "$(dirname "$0")/lib.sh"
#
# All take BUILD and FS (ext4, ext4-nojournal, xfs or btrfs); none leaves a mount, a loop device or
# a process behind, however it ends.
# shellcheck shell=sh

# Mounts of our own: a mount namespace that anybody else makes meanwhile would take a copy of ours
# along, and keep a filesystem mounted of which the next one here is a copy.
if [ -z "${FSC_OWN_MOUNTS-}" ] && unshare -m true 2>/dev/null; then
	FSC_OWN_MOUNTS=1 exec unshare -m sh "$0" "$@"
fi

crash=$(cd "$(dirname "$0")" && pwd)
. "$crash/../lib.sh"

# arguments "$@", which are BUILD FS [COUNT] [--state FOLDER] [--seed N] [--OPTION...]: sets build,
# fs, count, state and seed; option knows the rest.
seed=${FSC_SEED:-1}
state=
rest=
build=
fs=
count=

argument() { # WORD: the next that is no option
	if [ -z "$build" ]; then
		build=$1
	elif [ -z "$fs" ]; then
		fs=$1
	else
		count=$1
	fi
}

arguments() {
	while [ $# -gt 0 ]; do
		case $1 in
		--state) state=$2 && shift ;;
		--seed) seed=$2 && shift ;;
		--*) rest="$rest $1" ;;
		*) argument "$1" ;;
		esac
		shift
	done
	[ -n "$fs" ] || die "usage: see the beginning of $0"
	program=$build/tests/crash/fsc-crash
	disk=$build/tests/crash/fsc-disk
	[ -x "$program" ] || die "$program is not there"
	[ "$(id -u)" = 0 ] || skip "mounting needs root"
	case $fs in
	ext4) promises=ordered ;;
	ext4-nojournal) promises=volatile ;;
	xfs) promises=ordered ;;
	btrfs) promises=strict ;;
	*) die "no such filesystem: $fs" ;;
	esac
}

# option NAME: was --NAME given?
option() {
	case " $rest " in
	*" --$1 "*) return 0 ;;
	esac
	return 1
}

# The planted mistake that --planted stands for was caught, or not.
planted=
caught=0

control() { # MISTAKE
	! option planted || planted=$1
}

was_caught() { # AFTER-WHAT
	[ "$caught" -gt 0 ] || die "the planted mistake ($planted) was not caught $1"
	echo "$(basename "$0" .sh) $fs: seed $seed, the planted mistake ($planted) was caught $1"
	finish
}

setup() {
	make_tmp
	mnt=$tmp/mnt
	image=$tmp/image
	cache=$mnt/cache
	journal=$tmp/journal
	mkdir "$mnt"
	at_exit 'unmount_now'
}

unmount_now() {
	! mountpoint -q "$mnt" || umount "$mnt" 2>/dev/null || umount -l "$mnt"
}

# The smallest that each can have and that holds a workload.
image_size() {
	case $fs in
	ext4*) echo 128M ;;
	xfs) echo 300M ;;
	btrfs) echo 200M ;;
	esac
}

make_image() { # [SIZE]
	rm -f "$image"
	truncate -s "${1:-$(image_size)}" "$image"
	case $fs in
	ext4) need mkfs.ext4 && mkfs.ext4 -q -F "$image" ;;
	ext4-nojournal) need mkfs.ext4 && mkfs.ext4 -q -F -O ^has_journal "$image" ;;
	xfs) need mkfs.xfs && mkfs.xfs -q -f "$image" ;;
	btrfs) need mkfs.btrfs && mkfs.btrfs -q -f "$image" ;;
	esac >"$tmp/mkfs.log" 2>&1 || die "mkfs: $(tail -n 1 "$tmp/mkfs.log")"
}

mount_image() { # [DEVICE]
	if [ $# = 1 ]; then
		mount "$1" "$mnt"
	else
		# not -o loop: where that fails, one can't tell why
		fsc_loop=$(losetup --show -f "$image") || return 1
		mount "$fsc_loop" "$mnt"
		fsc_status=$?
		losetup -d "$fsc_loop" # when it is unmounted
		return $fsc_status
	fi >"$tmp/mount.log" 2>&1
}

mount_or_skip() {
	mount_image "$@" || skip "mount: $(tail -n 3 "$tmp/mount.log")"
}

make_cache() {
	rm -rf "$cache"
	mkdir -m 700 "$cache" || die "mkdir"
}

# Numbers that follow from seed and round: below $1.
random() { # LIMIT SALT
	# shellcheck disable=SC2046 # two words
	set -- "$1" $(printf '%s.%s.%s' "$seed" "$round" "$2" | cksum)
	echo $(($2 % $1))
}

# Options for a world: every second time one of bigger files, whose maps don't fit the xattr.
world() { # NUMBER
	if [ $(($1 % 2)) = 1 ]; then
		echo "--files 40 --max-size 12582912 --xattr-max 256"
	else
		echo "--files 96 --max-size 2097152"
	fi
}

# Of verify's last line.
number() { # NAME
	sed -n "s/^wrong=.*/ & /;s/.* $1=\([0-9][0-9]*\) .*/\1/p" "$tmp/verified" | tail -n 1
}

total() { # NAME: add up in $total_NAME
	fsc_number=$(number "$1")
	eval "total_$1=\$((\${total_$1:-0} + ${fsc_number:-0}))"
}

# verified OPTION...: everything in the cache is right. Adds up what it said. (Fails the test if it
# couldn't look.)
verified() {
	nice -n 5 "$program" verify "$journal" "$cache" "$@" >"$tmp/verified" 2>"$tmp/verify.err"
	fsc_status=$?
	# Without a journal the cut may take the super block along: then the folder is refused, and
	# nothing is served.
	if [ "$fsc_status" = 2 ] && [ "$fs" = ext4-nojournal ] && [ -z "$planted" ] &&
		grep -q 'Directory not empty' "$tmp/verify.err"; then
		return 0
	fi
	if [ "$fsc_status" != 0 ] && [ "$fsc_status" != 1 ]; then
		# A mistake may also cost the whole cache: that is not what is to be caught.
		[ -n "$planted" ] || fail "verify: status $fsc_status: $(cat "$tmp/verify.err")"
		return 0
	fi
	grep -q "^wrong=.* kind=$promises " "$tmp/verified" ||
		fail "the cache doesn't say that $fs is $promises"
	for fsc_name in objects marked slots cache server settled served; do
		total "$fsc_name"
	done
	[ "$fsc_status" = 0 ]
}

said() {
	tail -n 15 "$tmp/verified"
	tail -n 5 "$tmp/verify.err"
}

# Rounds done before, by this script on this filesystem.
rounds_done() {
	[ -n "$state" ] && mkdir -p "$state" && cat "$state/$1" 2>/dev/null || echo 0
}

round_is_done() { # NAME ROUND
	[ -z "$state" ] || echo "$2" >"$state/$1"
}

# Of what had been complete for 2 s, 90 % must have survived. Not asked where there was little.
enough_survived() {
	[ "${total_settled:-0}" -lt 50 ] ||
		[ $((total_served * 100)) -ge $((total_settled * 90)) ] ||
		fail "only $total_served of $total_settled settled objects were served"
}

totals() {
	echo "objects=${total_objects:-0} marked=${total_marked:-0} slots=${total_slots:-0}" \
		"cache=${total_cache:-0} server=${total_server:-0}" \
		"settled=${total_settled:-0} served=${total_served:-0}"
}
