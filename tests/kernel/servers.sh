# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# servers.sh - servers that run in the guest and are no part of its kernel. Sourced by run.sh after
# lib.sh.
#
# They are of Debian's packages, downloaded and unpacked, not installed, with the libraries that
# this machine does not have.
# shellcheck shell=sh

afs_programs='usr/lib/openafs/ptserver usr/lib/openafs/vlserver usr/lib/openafs/volserver
	usr/lib/openafs/fileserver usr/lib/openafs/salvager usr/sbin/pt_util usr/bin/vos'

unpack_packages() { # PACKAGE...
	apt-get install -s --no-install-recommends "$@" | sed -n 's/^Inst \([^ ]*\).*/\1/p' >names
	# (those that are installed are not named there)
	printf '%s\n' "$@" >>names
	sort -u names | xargs apt-get download >log 2>&1 || {
		cat log
		return 1
	}
	for package in ./*.deb; do
		dpkg-deb -x "$package" . || return 1
	done
	rm -rf ./*.deb usr/share
}

# What the guest needs to serve PROTOCOL, into FOLDER; nothing for those that need nothing. What can't
# be had, the guest will miss, and skip or leave out.
copy_server() { # PROTOCOL FOLDER
	case $1 in
	cifs) copy_packages "$2" samba usr/sbin/smbd ;;
	afs) copy_packages "$2" "openafs-fileserver openafs-dbserver openafs-client" "$afs_programs" ;;
	esac
}

copy_packages() { # FOLDER PACKAGES PROGRAMS
	need apt-get dpkg-deb ldd
	unpacked_in=$cache/packages-$(echo "$2" | tr ' ' -)
	# shellcheck disable=SC2086 # words
	kept "$unpacked_in" unpack_packages $2 || {
		echo "can't be downloaded: $2"
		return
	}
	for program in $3; do
		copy_program "$unpacked_in/$program" "$1" "$unpacked_in" || die "no $program"
	done
}
