# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# files.sh - the files that guest scripts put on the server, and what changes them. Sourced after
# lib.sh; not run.
# shellcheck shell=sh

# Of all sizes that a block, a granule or a request can end at, with holes, and many.
make_files() { # SEED
	number=$1
	for size in 0 1 511 4095 4096 4097 12288 65535 65536 65537 262144 262145 1000003 4194304; do
		number=$((number + 1))
		io fill "$served/size-$size" $size $number
	done
	io fill "$served/holes" 8192 "$1"
	truncate -s 700000 "$served/holes"
	io put "$served/holes" 500000 30000 "$1"
	mkdir -p "$served/many" "$served/deep/er/yet"
	io many "$served/many" 30 9000 "$1" >/dev/null
	io fill "$served/deep/er/yet/one" 30000 "$1"
}

# A server's clock may tick too seldom to tell two changes apart: each gets a time of its own.
# (Future ones, so that what a write sets is another one too.)
clock=2000000000

tick() { # FILE...
	clock=$((clock + 1))
	touch -m -d "@$clock" "$@"
}

# Every way in which a file can become another, in FOLDER: the server's, or the mount. Some that
# nothing happens to are left.
change_files() { # FOLDER SEED
	io put "$1/size-4194304" 1000000 300000 "$2"
	io put "$1/size-1000003" 0 1 "$2"
	io put "$1/size-262145" 262100 4000 "$2"
	io put "$1/size-65537" 100000 100 "$2"
	truncate -s 5000 "$1/size-262144"
	truncate -s 100000 "$1/size-4097"
	io put "$1/size-4097" 60000 11 "$2"
	io fill "$1/size-65536" 65536 "$2"
	io put "$1/size-0" 0 20000 "$2"
	truncate -s 0 "$1/size-65535"
	io fill "$1/new" 50000 "$2"
	mv "$1/new" "$1/size-12288"
	rm "$1/many/3"
	io fill "$1/many/3" 9000 "$2"
	rm "$1/many/4"
	mv "$1/many/5" "$1/many/4"
	io fill "$1/many/added" 10000 "$2"
	mv "$1/many" "$1/moved"
	mv "$1/moved" "$1/many"
	echo more >>"$1/size-1"
	io put "$1/holes" 100000 5000 "$2"
}

changed='size-4194304 size-1000003 size-262145 size-65537 size-262144 size-4097 size-65536 size-0
	size-65535 size-12288 many/3 many/4 many/added size-1 holes'

# (Of 9P in UML nothing says that a file has changed: see mount_cached.)
change_server() { # SEED
	[ "$protocol-$guest_kind" != 9p-uml ] || return 0
	change_files "$served" "$1"
	for name in $changed; do
		tick "$served/$name"
	done
}

# Undone as far as change_files needs it to be done again.
change_back() { # FOLDER SEED
	mv "$1/many/4" "$1/many/5"
	io fill "$1/many/4" 9000 "$2"
	rm "$1/many/added"
	io fill "$1/size-262144" 262144 "$2"
	io fill "$1/size-4097" 4097 "$2"
}
