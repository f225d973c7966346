#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# tamper.sh - somebody had hands on the cache: never a wrong byte, never a crash, and service
# goes on.
#
# What can't be told, and isn't tried, is other bytes in a backing file: they have no checksum. Long
# maps, which have one, are in random.sh.

. "$(dirname "$0")/lib.sh"
setup
need python3

tamper() {
	python3 "$e2e/tamper.py" "$@" || die "tamper.py $*"
}

# Two files that no attribute tells apart: what is stored of them differs in key and inode only.
twins=
make_files() {
	random_file "$export/file" 10001
	random_file "$export/part" 400000
	random_file "$export/other" 10001
	python3 "$e2e/tamper.py" twins "$export/twin-a" "$export/twin-b" || twins=none
}

# Right, with or without the cache; at most a line said.
served() { # PATH OPTION...
	cat_right "$@"
	[ "$(wc -l <"$tmp/err")" -le 1 ] || wrong "more than a line was said"
	[ "$fsc_failed" = 0 ] || finish
}

heals() { # PATH: was not believed, and is right in the cache again
	served "$1"
	stat_is server_read_bytes "$(stat -c %s "$export/$1")"
	warm "$1"
}

fresh() {
	rm -rf "$cache"
	cold file
	object=$(tamper objects "$cache")
}

part() {
	client cat --offset 100000 --length 50000 part
	status_is 0
	out_is "$export/part" 100000 50000
	[ "$fsc_failed" = 0 ] || finish
}

# The object is replaced at each round, as it isn't believed and fetched again.
each_byte() {
	fresh
	length=$(tamper length "$object")
	begin "each of the $length bytes of a complete object's xattr"
	at=0
	while [ "$at" -lt "$length" ]; do
		tamper flip "$object" "$at"
		begin "byte $at of a complete object's xattr"
		served file
		stat_is server_read_bytes 10001
		stat_is objects_discarded 1
		at=$((at + 1))
	done
	warm file
	begin "each byte of an incomplete object's xattr"
	rm -rf "$cache"
	part
	object=$(tamper objects "$cache")
	length=$(tamper length "$object")
	at=0
	while [ "$at" -lt "$length" ]; do
		tamper flip "$object" "$at"
		begin "byte $at of $length of an incomplete object's xattr"
		part
		stat_over server_read_bytes 0
		at=$((at + 1))
	done
	part
	stat_is server_reads 0
	verified
}

each_byte_of_volume() {
	fresh
	volume=$(dirname "$(dirname "$object")")
	length=$(tamper length "$volume")
	at=0
	while [ "$at" -lt "$length" ]; do
		tamper flip "$volume" "$at"
		begin "byte $at of $length of a volume's xattr"
		served file
		at=$((at + 1))
	done
	warm file
	verified
}

each_byte_of_super() {
	fresh
	cp -a "$cache/super" "$tmp/super"
	at=0
	while [ "$at" -lt 128 ]; do
		tamper flip-data "$cache/super" "$at"
		begin "byte $at of super"
		served file
		# what wasn't ours to change is put back
		cat "$tmp/super" >"$cache/super"
		at=$((at + 3))
	done
	begin "super is missing"
	rm "$cache/super"
	served file
	begin "super is empty"
	fresh
	: >"$cache/super"
	served file
}

lengths() {
	begin "an xattr of another length"
	for length in 0 1 19 20 35 36 51 53 100 3000; do
		fresh
		tamper cut "$object" "$length"
		heals file
	done
	begin "no xattr"
	fresh
	tamper drop "$object"
	heals file
	begin "a volume without xattr"
	fresh
	tamper drop "$(dirname "$(dirname "$object")")"
	served file
	warm file
	verified
}

other_things() {
	begin "a symlink in an object's place"
	fresh
	echo precious >"$tmp/precious"
	ln -sf "$tmp/precious" "$object"
	heals file
	same "what the symlink led to" "$(cat "$tmp/precious")" precious
	begin "a symlink to the object itself, moved away"
	fresh
	mv "$object" "$tmp/moved"
	ln -s "$tmp/moved" "$object"
	heals file
	begin "a fifo in an object's place"
	fresh
	rm "$object"
	mkfifo "$object"
	heals file
	begin "a folder in an object's place"
	fresh
	rm "$object"
	mkdir "$object"
	echo x >"$object/something"
	heals file
	begin "a device in an object's place"
	fresh
	rm "$object"
	if mknod "$object" c 1 5 2>/dev/null; then
		heals file
	fi
	begin "an object with two names"
	fresh
	ln "$object" "$tmp/second-name"
	heals file
	begin "an object that belongs to somebody else"
	fresh
	if chown 65534 "$object" 2>/dev/null; then
		heals file
	fi
	verified
}

folders_replaced() {
	begin "a symlink in the place of a folder of objects"
	fresh
	fanout=$(dirname "$object")
	mv "$fanout" "$tmp/fanout"
	ln -s "$tmp/fanout" "$fanout"
	listed=$(ls -l "$tmp/fanout")
	served file
	same "what the symlink led to" "$(ls -l "$tmp/fanout")" "$listed"
	begin "a file in the place of a folder of objects"
	fresh
	fanout=$(dirname "$object")
	rm -r "$fanout"
	: >"$fanout"
	served file
	for name in cache graves lock super; do
		begin "a symlink in the place of $name"
		fresh
		rm -rf "$tmp/elsewhere"
		mv "$cache/$name" "$tmp/elsewhere"
		ln -s "$tmp/elsewhere" "$cache/$name"
		listed=$(find "$tmp/elsewhere" -printf '%P %s %T@\n')
		served file
		same "what the symlink led to" "$(find "$tmp/elsewhere" -printf '%P %s %T@\n')" \
			"$listed"
		begin "a fifo in the place of $name"
		fresh
		rm -rf "${cache:?}/$name"
		mkfifo "$cache/$name"
		served file
	done
	begin "a volume's folder is a file"
	fresh
	volume=$(dirname "$(dirname "$object")")
	rm -r "$volume"
	: >"$volume"
	served file
	begin "a strange file in each folder"
	fresh
	for folder in "$cache" "$cache/cache" "$cache/graves" "$volume" \
		"$(dirname "$object")"; do
		echo strange >"$folder/strange"
	done
	warm file
	served other
}

exchanged_twins() {
	begin "objects of files with the same times and size are exchanged"
	rm -rf "$cache"
	cold twin-a
	cold twin-b
	tamper objects "$cache" >"$tmp/objects"
	a=$(sed -n 1p "$tmp/objects") b=$(sed -n 2p "$tmp/objects")
	mv "$a" "$tmp/exchanged"
	mv "$b" "$a"
	mv "$tmp/exchanged" "$b"
	heals twin-a
	heals twin-b
	begin "an object of such a file is copied over the other"
	cp --preserve=all "$a" "$tmp/copy"
	mv "$tmp/copy" "$b"
	served twin-a
	served twin-b
	warm twin-a
	warm twin-b
	verified
	rm -rf "$cache"
	cold file
	cold other
}

exchanged() {
	begin "two objects' names are exchanged"
	rm -rf "$cache"
	cold file
	cold other
	tamper objects "$cache" >"$tmp/objects"
	a=$(sed -n 1p "$tmp/objects") b=$(sed -n 2p "$tmp/objects")
	mv "$a" "$tmp/exchanged"
	mv "$b" "$a"
	mv "$tmp/exchanged" "$b"
	heals file
	heals other
	if [ -z "$twins" ]; then
		exchanged_twins
	else
		echo "no two files with the same times could be made"
	fi
	begin "one's xattr is given to the other"
	tamper objects "$cache" >"$tmp/objects"
	a=$(sed -n 1p "$tmp/objects") b=$(sed -n 2p "$tmp/objects")
	tamper copy "$a" "$b"
	served file
	served other
	warm file
	warm other
	begin "one's bytes are copied over the other, xattr and all"
	cp --preserve=all "$a" "$tmp/copy"
	mv "$tmp/copy" "$b"
	served file
	served other
	warm file
	warm other
	verified
	begin "an object is replaced by a copy of itself"
	fresh
	cp --preserve=all "$object" "$tmp/copy"
	mv "$tmp/copy" "$object"
	heals file
	verified
}

copied() {
	begin "the whole folder is copied"
	rm -rf "$cache"
	cold file
	cold other
	part
	cp -a "$cache" "$tmp/copied"
	original=$cache
	cache=$tmp/copied
	heals file
	heals other
	part
	stat_over server_read_bytes 0
	verified
	cache=$original
	begin "the original, after that"
	warm file
	verified
	begin "the whole folder is moved"
	mv "$cache" "$tmp/moved-cache"
	cache=$tmp/moved-cache
	warm file
	verified
	cache=$original
}

file_sizes() {
	begin "a complete object's file is shorter"
	fresh
	truncate -s 8192 "$object"
	heals file
	begin "a complete object's file is longer"
	fresh
	truncate -s 1000000 "$object"
	served file
	same "the file's size" "$(stat -c %s "$(tamper objects "$cache")")" 10001
	begin "an incomplete object's file is shorter than its map says"
	rm -rf "$cache"
	part
	object=$(tamper objects "$cache")
	truncate -s 110000 "$object"
	part
	part
	stat_is server_reads 0
	verified
}

# What all these tests lean on.
verify_sees_it() {
	begin "verify, of a cache with one wrong bit"
	fresh
	verified
	tamper flip-data "$object" 9000
	"$verify" "$cache" "$export" >"$tmp/verified" 2>"$tmp/verify.err" && wrong "it saw nothing"
	verified_is mismatches 1
}

make_files
server_diod
settle
verify_sees_it
each_byte
each_byte_of_volume
each_byte_of_super
lengths
other_things
folders_replaced
exchanged
copied
file_sizes
finish
