#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# xfstests.sh - the generic part of xfstests on the mount, and on libfuse's own passthrough_ll over
# the same kind of folder: what passes there must pass here, but for what expected-differences.txt
# names with its reason.
#
#   bash tests/xfstests.sh BUILD XFSTESTS [OPTION...] [TEST...]
#
#	--keep FOLDER     results and logs go there; results of passthrough_ll that are there already
#	                  are believed
#	--only SUBJECT    passthrough_ll or fsc9p, and no comparison
#	--limit SECONDS   of one test (1200: 069 appends three million times); what takes longer
#	                  is ended, and counts as failed
#
# XFSTESTS is a built tree of https://git.kernel.org/pub/scm/fs/xfs/xfstests-dev.git. It isn't part
# of Debian and is not ours: build it anywhere (docs/testing.md says how). Nothing is written to it.
# TEST is generic/NNN; without any, those of the group quick.
#
# Everything happens in a mount namespace of its own: images, mounts, the helpers in /sbin and the
# users that xfstests wants are gone with it.

set -u
cd "$(dirname "$0")/.." || exit 1
source=$PWD
. tests/lib.sh

[ $# -ge 1 ] || die "usage: $0 BUILD XFSTESTS [OPTION...] [TEST...]"
build=$(realpath "$1")
xfstests=${2-}
[ $# -lt 2 ] && shift 1 || shift 2
keep='' only='' limit=1200 tests=()
while [ $# -gt 0 ]; do
	case $1 in
	--keep) keep=$2 && shift ;;
	--only) only=$2 && shift ;;
	--limit) limit=$2 && shift ;;
	-*) die "$1 is no option" ;;
	*) tests+=("$1") ;;
	esac
	shift
done

[ -n "$xfstests" ] || skip "no xfstests: give the path of a built tree (FSC_XFSTESTS)"
xfstests=$(realpath "$xfstests")
[ -x "$xfstests/ltp/fsx" ] && [ -f "$xfstests/tests/generic/group.list" ] ||
	skip "$xfstests is not a built xfstests"
[ "$(id -u)" = 0 ] || skip "xfstests needs root"
[ -c /dev/fuse ] || skip "there is no /dev/fuse"
need xfs_io mkfs.ext4 fusermount3 diod gcc pkg-config bc attr setfacl
[ "$only" = passthrough_ll ] || [ -x "$build/examples/9p/fsc9p" ] || die "fsc9p isn't there"
if [ -z "${FSC_OWN_MOUNTS-}" ]; then
	FSC_OWN_MOUNTS=1 exec unshare -m --propagation slave bash "$source/tests/xfstests.sh" \
		"$build" "$xfstests" ${keep:+--keep "$keep"} ${only:+--only "$only"} \
		--limit "$limit" "${tests[@]}"
fi

make_tmp
chmod 755 "$tmp" # for fsgqa
run=$tmp/run
mkdir -p "$run" && mount -t tmpfs none "$run" || skip "no tmpfs"
at_exit "umount -l '$run'"
mkdir -p "$tmp/disk" "$tmp/cache" "$tmp/mnt/test" "$tmp/mnt/scratch"
keep=${keep:-$tmp/keep}
mkdir -p "$keep" && keep=$(realpath "$keep") || die "no $keep"

# ---- what is beneath both subjects: folders of an ext4 ----

image() { # NAME SIZE MKFS-OPTION...
	truncate -s "$2" "$tmp/$1.image"
	mkfs.ext4 -q -F "${@:3}" "$tmp/$1.image" || die mkfs
	mount -o loop "$tmp/$1.image" "$tmp/$1" || skip "mount: no loop devices"
	at_exit "umount -l '$tmp/$1'"
}

# The inodes are large, as xattrs are to fit that the other side stores as well.
image disk 4G -I 512
image cache 4G
mkdir "$tmp/disk/test" "$tmp/disk/scratch"

users() {
	for file in passwd group; do
		cp "/etc/$file" "$run/$file"
		id=2000
		for user in fsgqa fsgqa2 123456-fsgqa; do
			id=$((id + 1))
			grep -q "^$user:" "$run/$file" && continue
			if [ $file = passwd ]; then
				echo "$user:*:$id:$id::/tmp:/bin/bash"
			else
				echo "$user:x:$id:"
			fi >>"$run/$file"
		done
		mount --bind "$run/$file" "/etc/$file" || die "users"
	done
}

# mount -t fuse.SUBJECT looks for its helper there.
helpers() {
	mkdir "$run/upper" "$run/work"
	mount -t overlay -o "lowerdir=/usr/sbin,upperdir=$run/upper,workdir=$run/work" none \
		/usr/sbin || skip "no overlay over /usr/sbin"
}

# xfstests asks df for the type, and knows no fuse.fsc9p.
plain_df() {
	mkdir "$run/bin"
	cat <<-END >"$run/bin/df"
		#!/bin/bash
		set -o pipefail
		$(type -P df) "\$@" | sed -E 's/ fuse\.(fsc9p|passthrough_ll) / fuse /'
	END
	chmod 755 "$run/bin/df"
}

# ---- the subjects ----

# Both are called as: HELPER SOURCE FOLDER -o OPTIONS; the source is fsc-test or fsc-scratch.
helper_begins() { # NAME
	cat <<-END >"/usr/sbin/mount.fuse.$1"
		#!/bin/bash
		src=\$1 mnt=\$2 options=rw
		shift 2
		while [ \$# -gt 0 ]; do
			case \$1 in
			-o) options=\$options,\$2 && shift ;;
			-t) shift ;;
			esac
			shift
		done
		options=\$(echo ",\$options," | sed -E 's/,(rw|defaults|acl|user_xattr)(,(rw|defaults))*,/,/g')
		options=\${options#,}
		options=\${options%,}
		folder=$tmp/disk/\${src#fsc-}
		ulimit -n "\$(ulimit -Hn)"
	END
	chmod 755 "/usr/sbin/mount.fuse.$1"
	cat >>"/usr/sbin/mount.fuse.$1"
}

prepare_passthrough_ll() {
	code=/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c
	[ -f "$code" ] || skip "libfuse3-dev's examples are not installed"
	# shellcheck disable=SC2046 # words
	gcc -O2 "$code" $(pkg-config --cflags --libs fuse3) -o "$run/passthrough_ll" || die build
	helper_begins passthrough_ll <<-END
		exec $run/passthrough_ll "\$mnt" -o \\
			"fsname=\$src,source=\$folder,xattr,flock\${options:+,\$options}"
	END
}

# Each mount has a cache of its own; the next one on it waits until the last has let go of it.
prepare_fsc9p() {
	(
		trap '' PIPE
		exec diod -f -n -l "$tmp/diod.sock" -e "$tmp/disk/test" -e "$tmp/disk/scratch" \
			-L "$tmp/diod.log" >"$tmp/diod.out" 2>&1
	) &
	diod_pid=$!
	at_exit "kill $diod_pid 2>/dev/null"
	wait_until 20 [ -S "$tmp/diod.sock" ] || skip "diod did not start"
	helper_begins fsc9p <<-END
		cache=\$src\$(echo "\$mnt" | tr / _)
		exec 9>"$run/\$cache.lock"
		flock -w 20 9 || exit 32
		$build/examples/9p/fsc9p --server unix:$tmp/diod.sock --aname "\$folder" \\
			--cache "$tmp/cache/\$cache" mount -o "fsname=\$src\${options:+,\$options}" "\$mnt" \\
			>>"$tmp/mounts.log" 2>&1
	END
}

# ---- a run ----

run_subject() { # SUBJECT TEST...
	subject=$1
	shift
	results=$tmp/results-$subject
	mkdir -p "$results"
	cat >"$results/config" <<-END
		export FSTYP=fuse
		export FUSE_SUBTYP=.$subject
		export TEST_DEV=fsc-test
		export TEST_DIR=$tmp/mnt/test
		export SCRATCH_DEV=fsc-scratch
		export SCRATCH_MNT=$tmp/mnt/scratch
		export RESULT_BASE=$results
		export MOUNT_OPTIONS='-o allow_other,default_permissions'
		export TEST_FS_MOUNT_OPTS='-o allow_other,default_permissions'
	END
	prepare_$subject
	python3 "$source/tests/xfstests/limit.py" "$limit" "$keep/$subject.ended" &
	watch=$!
	(
		cd "$xfstests" || exit 1
		# Not what the caller's environment says of filesystems.
		PATH=$run/bin:$PATH HOST_OPTIONS=$results/config FSC_OWN_MOUNTS='' ./check "$@"
	) </dev/null >"$keep/$subject.log" 2>&1
	kill "$watch"
	wait "$watch" 2>/dev/null
	for mnt in test scratch; do
		umount -l "$tmp/mnt/$mnt" 2>/dev/null
	done
	# What failed, to be looked at.
	for bad in "$results"/generic/*.out.bad; do
		[ -f "$bad" ] && cp "$bad" "$keep/$subject.$(basename "$bad")"
	done
	[ ! -f "$tmp/mounts.log" ] || cp "$tmp/mounts.log" "$keep"
	python3 "$source/tests/xfstests/results.py" "$keep/$subject.log" >"$keep/$subject.results"
}

chosen() {
	if [ ${#tests[@]} -gt 0 ]; then
		echo "${tests[@]}"
	else
		echo -g generic/quick
	fi
}

users
helpers
plain_df
at_exit "umount -l /usr/sbin"
for subject in passthrough_ll fsc9p; do
	[ -z "$only" ] || [ "$only" = "$subject" ] || continue
	[ "$subject" = fsc9p ] || [ -n "$only" ] || [ ! -s "$keep/$subject.results" ] || continue
	# shellcheck disable=SC2046 # words
	run_subject "$subject" $(chosen)
	[ -s "$keep/$subject.results" ] || {
		tail -n 20 "$keep/$subject.log"
		die "$subject: nothing was run"
	}
	echo "$subject: $(cut -d ' ' -f 2 "$keep/$subject.results" | sort | uniq -c | tr -s '\n ' ' ')"
done
[ -n "$only" ] || python3 "$source/tests/xfstests/compare.py" "$keep/passthrough_ll.results" \
	"$keep/fsc9p.results" "$source/tests/xfstests/expected-differences.txt" || fail "see $keep"
finish
