# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# compile.sh - kernels of Debian's 6.12 source, compiled once and kept. Sourced by uml.sh and
# debug.sh, after tests/lib.sh; $here is this folder.
# shellcheck shell=sh

. "$here/lib.sh"

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
	kept "$source" unpack_linux 6.12 || skip "linux-source-6.12 can't be downloaded or unpacked"
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
