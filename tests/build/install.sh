#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# install.sh - what is installed is enough to build and run a client, shared and static.
#
#   install.sh CC MESON BUILD HELLO.c
#
# Only pkg-config tells the compiler where things are, as it would on someone's machine.

. "$(dirname "$0")/../lib.sh"
cc=$1 meson=$2 build=$3 hello=$4
need pkg-config
make_tmp
root=$tmp/root

# shellcheck disable=SC2086 # two words, perhaps
$meson install -C "$build" --no-rebuild --quiet --destdir "$root" >"$tmp/log" 2>&1 || {
	cat "$tmp/log"
	die "meson install"
}

pc=$(find "$root" -name libfscache.pc)
[ -f "$pc" ] || die "no libfscache.pc installed"
libdir=$(dirname "$(dirname "$pc")")
PKG_CONFIG_SYSROOT_DIR=$root
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_PATH
for file in libfscache.so libfscache.so.0 libfscache.a; do
	[ -e "$libdir/$file" ] || fail "$file is not installed"
done
for program in $(find "$root" -path '*/bin/*' -type f); do
	find "$root" -path "*/man1/${program##*/}.1*" | grep -q . || fail "$program has no manual"
done
[ ! -e "$(find "$root" -name env.h)" ] || fail "env.h is installed, which can't be used there"
doc=$(find "$root" -path '*/doc/libfscache')
for page in README.md COPYING LICENSE docs/embedding.md examples/hello.c; do
	[ -f "$doc/$page" ] || fail "$page is not installed"
done
grep -o '](docs/[^)#]*' "$doc/README.md" | cut -c 3- | sort -u >"$tmp/links"
while read -r page; do
	[ -f "$doc/$page" ] || fail "the installed README links to $page, which is not there"
done <"$tmp/links"
for header in $(find "$root" -path '*/fscache/*.h'); do
	echo "#include <fscache/${header##*/}>"
done >"$tmp/all.c"
[ "$(grep -c . "$tmp/all.c")" -ge 6 ] || fail "headers are missing"
cat >>"$tmp/all.c" <<'END'
int main(void)
{
	struct fsc_backend *be = NULL;

	return fsc_uring_open("/nonexistent/cache", NULL, &be) < 0 && !be ? 0 : 1;
}
END

# build PROGRAM SOURCE PKG-CONFIG-OPTION...
build() {
	program=$1 from=$2
	shift 2
	# shellcheck disable=SC2046,SC2086 # words
	$cc -std=gnu11 -Wall -Wextra -Werror -o "$tmp/$program" "$from" \
		$(pkg-config --cflags --libs "$@" libfscache) || fail "$program doesn't build"
}

needs() { # PROGRAM
	objdump -p "$tmp/$1" | sed -n 's/^ *NEEDED *//p'
}

run() { # PROGRAM ARGUMENT...
	program=$1
	shift
	LD_LIBRARY_PATH=$libdir "$tmp/$program" "$@" >"$tmp/out" 2>&1
	status=$?
	[ "$status" = 0 ] || {
		cat "$tmp/out"
		fail "$program, status $status"
	}
}

build all "$tmp/all.c"
needs all | grep -qx 'libfscache\.so\.0' || fail "the program doesn't need libfscache.so.0"
needs all | grep -q uring && fail "a client's program is linked with liburing itself"
run all

mkdir "$tmp/static"
cp "$libdir/libfscache.a" "$tmp/static"
rm "$libdir/libfscache.so" # so that -lfscache finds the other
build all-static "$tmp/all.c" --static
needs all-static | grep -q libfscache && fail "the static program needs the shared library"
run all-static
ln -s libfscache.so.0 "$libdir/libfscache.so"

build hello "$hello"
[ "$(grep -c . "$hello")" -le 80 ] || fail "hello.c has more than 80 lines"
mkdir -m 700 "$tmp/cache"
run hello "$tmp/cache"
finish
