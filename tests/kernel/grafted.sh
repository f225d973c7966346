# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# grafted.sh - a copy of Linux's source, and of uml.sh's build of it, with this tree grafted in.
# Sourced, after tests/lib.sh; $tree is the project's.
#
# After grafted, $folder has the source in linux/, the build in uml/, and belongs to this process.
# shellcheck shell=sh

# A kernel's build names its source by its whole path: what is not to be compiled again must not
# see that it has moved. (The source is hard links: a graft doesn't write through them.)
copy_kernel() { # UML
	rm -rf "$folder/linux" "$folder/uml"
	from=$(readlink -f "$1/source")
	cp -al "$from" "$folder/linux" && cp -a "$1/." "$folder/uml" && cd "$folder/uml" || return 1
	find . -type f \( -name '*.cmd' -o -name '*.d' -o -path ./Makefile \) -print0 |
		xargs -0 sed -i "s#$from#$folder/linux#g" &&
		ln -sfn "$folder/linux" source && rm -rf root initramfs-* && touch "$folder/copied"
}

grafted() {
	need flock
	uml=$(sh "$tree/tests/kernel/uml.sh") || {
		status=$?
		echo "$uml"
		exit $status
	}
	uml=$(echo "$uml" | tail -n 1)
	folder=$uml-builtin
	mkdir -p "$folder"
	exec 9>"$folder/lock"
	flock 9 # whose tree is in it changes
	[ -f "$folder/copied" ] || copy_kernel "$uml" || die "the kernel can't be copied"
	sh "$tree/tools/graft.sh" "$folder/linux" >"$tmp/graft" 2>&1 ||
		die "no graft: $(cat "$tmp/graft")"
}
