#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# packaging.sh - Debian's packages, as someone gets them who has nothing but this tree and Debian 12.
#
#	sh tests/packaging.sh SOURCE BUILD
#
# In one fresh Debian 12 the packages are built, by a user who isn't root, and judged by lintian. In
# another one, that has neither compiler nor libraries, they are installed: the tests in debian/tests
# run there, and DKMS builds the module for 6.1 and for 6.12. Those modules are then
# BUILD/libfscache-6.1.ko and -6.12.ko, the packages BUILD/*.deb.
#
# Wants root, mmdebstrap, and a way to Debian's packages: this machine's own.

. "$(dirname "$0")/lib.sh"
source=$(cd "$1" && pwd) && mkdir -p "$2" && build=$(cd "$2" && pwd) || die "no such folder"
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/libfscache-tests
[ "$(id -u)" = 0 ] || skip "needs root"
need mmdebstrap unshare git dpkg-deb apt-cache modinfo xz
make_tmp
# (those of an earlier run would be booted)
rm -f "$build"/libfscache-*.ko "$build"/*.deb

# --- Two machines ----------------------------------------------------------------------------

# The smallest Debian 12 there is that can be built in; kept.
make_base() {
	base=$cache/debian12.tar
	[ ! -f "$base" ] || return 0
	sources=
	for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
		[ ! -s "$file" ] || sources="$sources $file"
	done
	# shellcheck disable=SC2086 # words
	mmdebstrap --variant=buildd bookworm "$base.part.tar" $sources >"$tmp/log" 2>&1 || {
		cat "$tmp/log"
		skip "mmdebstrap can't make a Debian 12"
	}
	mv "$base.part.tar" "$base"
}

make_machine() { # NAME
	mkdir "$tmp/$1" && tar -xf "$base" -C "$tmp/$1" || die "no room for $1"
	cp /etc/resolv.conf "$tmp/$1/etc/" 2>/dev/null
	printf '#!/bin/sh\nexit 101\n' >"$tmp/$1/usr/sbin/policy-rc.d"
	chmod 755 "$tmp/$1/usr/sbin/policy-rc.d"
	inside "$1" apt-get update -qq || skip "apt reaches no packages"
}

# (In a mount namespace: nothing is left mounted, however this ends. Packages are downloaded once.)
inside() { # MACHINE COMMAND...
	where=$tmp/$1
	shift
	# shellcheck disable=SC2016 # it is that shell that expands
	unshare --mount --propagation private sh -c '
		mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" &&
			mount -t tmpfs tmpfs "$0/dev/shm" &&
			mount --bind "$1" "$0/var/cache/apt/archives" && shift && exec chroot "$0" "$@"
	' "$where" "$cache/archives" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
		DEBIAN_FRONTEND=noninteractive INITRD=No "$@" </dev/null
}

as_builder() { # COMMAND...
	inside builder setpriv --reuid=1000 --regid=1000 --clear-groups env HOME=/build \
		sh -c 'cd /build/libfscache && exec "$@"' sh "$@"
}

install() { # MACHINE PACKAGE...
	machine=$1
	shift
	inside "$machine" apt-get install -y -qq --no-install-recommends "$@" >"$tmp/log" 2>&1 || {
		tail -n 40 "$tmp/log"
		die "can't be installed: $*"
	}
}

# --- Building --------------------------------------------------------------------------------

# What would be committed; nothing else that lies about.
copy_source() {
	mkdir -p "$tmp/builder/build/libfscache"
	(cd "$source" && git ls-files -z -co --exclude-standard | tar -c --null -T -) |
		tar -x -C "$tmp/builder/build/libfscache" || die "can't copy the source"
	chown -R 1000:1000 "$tmp/builder/build"
}

build_packages() {
	inside builder apt-get build-dep -y -qq /build/libfscache >"$tmp/log" 2>&1 || {
		tail -n 40 "$tmp/log"
		die "the build's dependencies can't be installed"
	}
	as_builder env DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS-}" dpkg-buildpackage -b -us -uc >"$build/build.log" 2>&1 || {
		tail -n 60 "$build/build.log"
		die "dpkg-buildpackage"
	}
	# (dpkg-source fails if clean has left anything)
	as_builder sh -c 'debian/rules clean &&
		tar -czf "../libfscache_$(sed -n "1s/.*(\(.*\)-.*/\1/p" debian/changelog).orig.tar.gz" \
			--exclude=./debian --transform=s/^/libfscache-orig/ . &&
		dpkg-source -b .' >"$tmp/source.log" 2>&1 || {
		tail -n 40 "$tmp/source.log"
		die "no source package"
	}
	rm -f "$build"/*.deb
	cp "$tmp/builder/build/"*.deb "$build/" || die "no packages"
}

# (They are not uploaded to Debian: no bug of Debian's asked for them.)
run_lintian() {
	install builder lintian
	as_builder sh -c 'lintian -EviIL +pedantic --fail-on error,warning,info,pedantic \
		--suppress-tags initial-upload-closes-no-bugs ../*.changes ../*.dsc' \
		>"$build/lintian.log" 2>&1 || {
		grep -E '^[EWIPX]: ' "$build/lintian.log"
		fail "lintian: see $build/lintian.log"
	}
}

# --- What is in them -------------------------------------------------------------------------

file_of() { # PACKAGE
	echo "$build/$1"_*.deb
}

has() { # PACKAGE PATH...: patterns of files that must be there
	package=$1
	shift
	dpkg-deb -c "$(file_of "$package")" | sed 's/^.* \.//; s/ -> .*//' >"$tmp/list"
	for path in "$@"; do
		grep -qx "$path" "$tmp/list" || fail "$package has no $path"
	done
}

check_contents() {
	lib='/usr/lib/[a-z0-9_]*-linux-gnu[a-z0-9]*'
	has libfscache0 "$lib/libfscache\.so\.0" "$lib/libfscache\.so\.0\.[0-9.]*"
	has libfscache-dev "$lib/libfscache\.so" "$lib/libfscache\.a" \
		"$lib/pkgconfig/libfscache\.pc" /usr/share/doc/libfscache-dev/examples/hello\.c \
		/usr/share/doc/libfscache-dev/docs/embedding\.md.*
	for header in "$source"/include/fscache/*.h; do
		case $header in
		*/env.h) grep -q '/env\.h$' "$tmp/list" && fail "env.h can't be used there" ;;
		*) has libfscache-dev "/usr/include/fscache/${header##*/}" ;;
		esac
	done
	has libfscache-tools /usr/bin/fsc9p /usr/bin/fscnfs /usr/share/man/man1/fsc9p\.1\.gz \
		/usr/share/man/man1/fscnfs\.1\.gz
	has libfscache-dkms '/usr/src/libfscache-[0-9.]*/dkms\.conf' \
		'/usr/src/libfscache-[0-9.]*/Kbuild' /lib/modprobe\.d/libfscache-dkms\.conf
}

# Nothing says where it was built.
check_paths() {
	for deb in "$build"/*.deb; do
		mkdir "$tmp/unpacked" && dpkg-deb -R "$deb" "$tmp/unpacked" ||
			die "${deb##*/} can't be unpacked"
		grep -rlE "/build/libfscache|$tmp|$source" "$tmp/unpacked" >"$tmp/found" &&
			fail "${deb##*/} has the builder's paths: $(tr '\n' ' ' <"$tmp/found")"
		rm -rf "$tmp/unpacked"
	done
}

# --- Using them ------------------------------------------------------------------------------

debian_test() { # NAME
	rm -rf "$tmp/user/tmp/test"
	mkdir "$tmp/user/tmp/test"
	cp "$source/debian/tests/$1" "$tmp/user/tmp/script"
	inside user env AUTOPKGTEST_TMP=/tmp/test sh /tmp/script >"$build/$1.log" 2>&1 || {
		cat "$build/$1.log"
		fail "debian/tests/$1"
	}
}

use_packages() {
	cp "$build"/*.deb "$tmp/user/root/"
	install user "/root/$(basename "$(file_of libfscache0)")"
	install user "/root/$(basename "$(file_of libfscache-dev)")" gcc libc6-dev pkg-config
	debian_test devel
	install user "/root/$(basename "$(file_of libfscache-tools)")" diod
	debian_test tools
}

newest() { # PATTERN
	apt-cache pkgnames linux-headers- | grep -E "$1" | sort -V | tail -n 1
}

use_module() {
	one=$(newest '^linux-headers-6\.1\.0-[0-9]+-amd64$')
	two=$(newest '^linux-headers-6\.12\.[0-9]+\+deb12-amd64$')
	[ -n "$one" ] && [ -n "$two" ] || skip "apt knows no headers of 6.1 and 6.12"
	# one before the package and one after it, as when there is a new kernel
	install user "$one" openssl
	install user "/root/$(basename "$(file_of libfscache-dkms)")"
	install user "$two"
	inside user dkms status >"$build/dkms-status.log"
	for headers in "$one" "$two"; do
		release=${headers#linux-headers-}
		grep -F "$release" "$build/dkms-status.log" | grep -q ': installed$' ||
			fail "not built by itself for $release: $(cat "$build/dkms-status.log")"
	done
	debian_test dkms
	keep_module "${one#linux-headers-}" 6.1
	keep_module "${two#linux-headers-}" 6.12
}

keep_module() { # RELEASE SERIES
	file=$(echo "$tmp/user/lib/modules/$1/updates/dkms/libfscache.ko"*)
	case $file in
	*.xz) xz -dc "$file" ;;
	*) cat "$file" ;;
	esac >"$build/libfscache-$2.ko" || fail "no module for $1"
	modinfo "$build/libfscache-$2.ko" | grep -q '^signer: *DKMS' ||
		fail "the module for $1 is not signed"
}

# Afterwards it is as if it had never been there.
remove_module() {
	inside user apt-get remove -y -qq libfscache-dkms >"$tmp/log" 2>&1 || fail "apt-get remove"
	left=$(find "$tmp/user/lib/modules" "$tmp/user/usr/src" "$tmp/user/var/lib/dkms" \
		"$tmp/user/lib/modprobe.d/" "$tmp/user/etc/modprobe.d/" -name '*libfscache*')
	[ -z "$left" ] || fail "left behind: $left"
}

mkdir -p "$cache/archives/partial" || die "no cache folder"
make_base
make_machine builder
copy_source
build_packages
run_lintian
check_contents
check_paths
make_machine user
use_packages
use_module
remove_module
finish
