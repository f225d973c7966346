# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# compile.sh - kernels of Debian's 6.12 source, compiled once and kept. Sourced by uml.sh and
# debug.sh, after tests/lib.sh; $here is this folder.
# shellcheck shell=sh

cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/libfscache-tests

# Into $cache/linux-source-VERSION, whole or not at all.
unpack_source() {
	part=$cache/part.$$
	at_exit 'rm -rf "$part"'
	mkdir -p "$part" && cd "$part" || die "no cache folder"
	apt-get download linux-source-6.12 >log 2>&1 || {
		cat log
		skip "linux-source-6.12 can't be downloaded"
	}
	dpkg-deb -x linux-source-6.12_*.deb . && tar -xf usr/src/linux-source-6.12.tar.xz ||
		die "the kernel's source can't be unpacked"
	mv linux-source-6.12 "$1" || die "no cache folder"
	cd "$here" || exit 1
}

# $version and $source of the newest that there is.
find_source() {
	mkdir -p "$cache" || die "no cache folder"
	version=$(apt-cache policy linux-source-6.12 2>/dev/null | sed -n 's/^  Candidate: //p')
	[ -n "$version" ] || version=$(cd "$cache" && ls -d linux-source-6.12.* 2>/dev/null |
		sort -V | tail -n 1 | sed s/linux-source-//)
	[ -n "$version" ] || skip "there is no linux-source-6.12"
	source=$cache/linux-source-$version
}

# In $folder, which `configure` makes ready; one at a time: two would write the same files.
compile() { # ARCH TARGET [VARIABLE...]
	arch=$1
	[ "$(nice)" -ge 10 ] || renice -n 10 $$ >/dev/null
	shift
	mkdir -p "$folder"
	exec 9>"$folder/lock"
	flock 9
	[ ! -f "$folder/built" ] || return 0
	[ -d "$source" ] || unpack_source "$source"
	{
		configure && make "ARCH=$arch" -j "${JOBS:-2}" "$@" modules &&
			rm -rf root &&
			make "ARCH=$arch" INSTALL_MOD_PATH=root modules_install
	} >"$folder/log" 2>&1 </dev/null || {
		tail -n 30 "$folder/log"
		die "the kernel was not built; see $folder/log"
	}
	touch "$folder/built"
}
