# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# control.sh PROTOCOL - the device that cachefilesd talks to, each of its commands, by hand: the good
# ones do what they say, the bad ones say no, and nothing else happens.
# shellcheck shell=sh

. /guest/lib.sh
. /guest/files.sh

# What is written to descriptor 3 goes to the device; who opens it stays for long enough to be one.
talk() { # COMMAND...
	io say "$*" >&3
}

yes() { # COMMAND...
	talk "$@" 2>/tmp/said || fail "'$*': $(cat /tmp/said)"
}

no() { # ERROR COMMAND...
	wanted=$1
	shift
	if talk "$@" 2>/tmp/said; then
		fail "'$*' was taken"
	elif ! grep -q "$wanted" /tmp/said; then
		fail "'$*' is not '$wanted' but: $(cat /tmp/said)"
	fi
}

open_device() {
	exec 3<>/dev/cachefiles || die "the device can't be opened"
}

close_device() {
	exec 3>&-
}

bind() { # [LIMIT...]
	yes dir /cache
	yes tag guest
	for limit in "$@"; do
		yes "$limit"
	done
	yes bind
}

stat_of() { # NAME
	sed -n "s/^$1 //p" /proc/fs/libfscache/stats
}

stat_is() { # NAME NUMBER
	[ "$(stat_of "$1")" = "$2" ]
}

# (cull and inuse mean what the folder has in which they are said)
beside() { # FILE COMMAND...
	cd "$(dirname "$1")" || die "no folder of $1"
	shift
	"$@"
	beside_status=$?
	cd /
	return $beside_status
}

says_in_use() { # FILE
	! beside "$1" talk inuse "$(basename "$1")" 2>/dev/null
}

is_free() { # FILE
	! says_in_use "$1"
}

objects() {
	find /cache/cache -type f -size +0
}

# (the folders take some, too)
within_budget() {
	[ "$(stat_of bytes_used)" -le 2850000 ] && [ "$(du -sk /cache/cache | cut -f 1)" -lt 3400 ]
}

graves_are_empty() {
	[ -z "$(ls -A /cache/graves)" ]
}

# A number of the state, by its name; hexadecimal.
state() { # NAME
	dd bs=256 count=1 <&3 2>/dev/null | tr ' ' '\n' | sed -n "s/^$1=//p"
}

serve "$1"
make_files 1
mount_cache_disk
load_module

# --- What is no command, or comes too early or too late ------------------------------------------

open_device
(exec 4<>/dev/cachefiles) 2>/dev/null && fail "the device can be opened twice"
no supported nonsense
no supported "nonsense 1"
no Invalid dir
no Invalid "dir cache"
no Invalid tag
no Invalid bind
no Invalid "brun 10"
no Invalid "brun 100%"
no Invalid "brun -1%"
no Invalid "brun 10%%"
no Invalid "max_bytes many"
no Invalid "debug x"
no "nput/output error" "cull x"
no "nput/output error" "inuse x"
no supported "bind ondemand"
no Invalid "unbind now"
long=$(head -c 5000 /dev/zero | tr '\0' x)
no Invalid "dir /$long"
yes "debug 0"
yes dir /nowhere
no Invalid "dir /cache"
no "No such file" bind
close_device

open_device
yes dir /cache
yes brun 5%
yes bcull 5%
no Invalid bind
close_device
cache_is_active && fail "bound with limits that make no sense"

open_device
yes dir /cache
yes secctx nobody:nothing
talk bind 2>/dev/null && fail "bound with a security context that nobody knows"
close_device

# A directory that is somebody else's stays as it is.
mkdir /cache/other
echo kept >/cache/other/file
open_device
yes dir /cache/other
no "not empty" bind
close_device
[ "$(cd /cache/other && find . | sort | tr '\n' ' ')" = ". ./file " ] ||
	fail "a foreign directory was changed"
rm -r /cache/other
mkdir /cache/writable
chmod 777 /cache/writable
open_device
yes dir /cache/writable
no permitted bind
close_device
rmdir /cache/writable
rm -rf /cache/lost+found
[ -z "$(ls -A /cache)" ] || fail "something was left behind: $(ls -A /cache)"

# --- Bound -----------------------------------------------------------------------------------------

open_device
bind "brun 30%" "bcull 20%" "bstop 10%"
cache_is_active || fail "bound, and not active"
no busy bind
no busy "dir /other"
no busy "max_bytes 1000"
percent=$(($(stat -f -c %b /cache) / 100))
[ $((0x$(state brun))) = $((percent * 30)) ] || fail "brun is $(state brun)"
[ $((0x$(state bstop))) = $((percent * 10)) ] || fail "bstop is $(state bstop)"
[ "$(state cull)" = 0 ] || fail "it asks to be culled"
unload_module 2>/dev/null && fail "the module can be removed while a cache is bound"

mount_cached
compare_all cold
settle
remount
exec 5</mnt/size-4194304
cat <&5 >/dev/null
open=$(find /cache/cache -type f -size +4000k | head -n 1)
[ -n "$open" ] || die "nothing was stored"
says_in_use "$open" || fail "what is open is not in use"
no busy "cull $(basename "$open")" # not here
beside "$open" no busy "cull $(basename "$open")"
[ -e "$open" ] || fail "what is open was culled"
exec 5<&-
umount /mnt
forget
wait_until 30 is_free "$open" || fail "what nobody uses is in use"
beside "$open" yes "cull $(basename "$open")"
[ ! -e "$open" ] || fail "what was culled is still there"
beside "$open" no "No such file" "cull $(basename "$open")"
no busy "cull etc"
beside "$open" no busy "cull Sno object" # whose name begins as one's: the daemon goes on
beside /cache/cache/x no Invalid "cull ../x"
beside /cache/cache/x no Invalid "cull .."
stat_is objects_culled 1 || fail "$(stat_of objects_culled) objects were culled, not 1"

# --- Let go of, and taken over ---------------------------------------------------------------------

say "unbind"
yes unbind
cache_is_gone || fail "unbound, and active"
[ -z "$(cat /proc/fs/libfscache/stats)" ] || fail "statistics of nothing"
no Invalid bind
bind
cache_is_active || fail "not bound again by the same opener"
close_device
cache_is_gone || fail "closed, and still bound"

say "a second time, and nothing is culled"
count=$(objects | wc -l)
used=$(du -sk /cache/cache | cut -f 1)
open_device
bind "max_bytes $((used * 1024 * 4))"
mount_cached
compare_all "after a second bind"
wait_until 20 stat_is online 1 || fail "not online"
settle
stat_is objects_culled 0 || fail "$(stat_of objects_culled) objects were culled for nothing"
[ "$(objects | wc -l)" -ge "$count" ] || fail "objects are missing"
umount /mnt
forget
close_device

say "persist"
echo 1 >/sys/module/libfscache/parameters/persist
open_device
bind
close_device
cache_is_active || fail "persist=1, and closing the device withdraws the cache"
unload_module 2>/dev/null && fail "the module can be removed while a cache stays"
mount_cached
settle
remount
reads=$(cache_reads)
compare_all "without anybody at the device"
[ "$(cache_reads)" -gt "$reads" ] || fail "nothing was read from a cache that stays"
open_device
yes dir /elsewhere
yes tag guest
no busy bind
close_device
open_device
yes dir /cache
no busy bind # another tag
close_device
cache_is_active || fail "a wrong take-over ended the cache"

say "taken over with other limits"
umount /mnt
forget
open_device
bind "max_bytes 3000000"
wait_until 60 within_budget ||
	fail "$(stat_of bytes_used) bytes used, or $(du -sk /cache/cache), with a budget of 3000000"
[ "$(stat_of objects_culled)" -gt 0 ] || fail "nothing was culled"
mount_cached
compare_all "with a budget"
settle
[ "$(stat_of bytes_used)" -le 3000000 ] || fail "$(stat_of bytes_used) bytes are over the budget"
umount /mnt
yes unbind
close_device
cache_is_gone || fail "unbind leaves a cache"
echo 0 >/sys/module/libfscache/parameters/persist

# --- Files without a version ------------------------------------------------------------------------

# diod's have none.
without_versions() { # Y|N
	echo "$1" >/sys/module/libfscache/parameters/unversioned
	open_device
	bind
	mount_cached
	compare_all "without versions"
	umount /mnt
	opened=$(($(stat_of objects_found) + $(stat_of objects_missed)))
	yes unbind
	close_device
}

if [ "$protocol-$guest_kind" = 9p-uml ]; then
	say "without versions"
	without_versions N
	[ $opened = 0 ] || fail "$opened files without a version were looked up"
	without_versions Y
	[ $opened -gt 0 ] || fail "with unversioned none was looked up"
fi

# --- What an older version has buried ---------------------------------------------------------------

fill_old_graveyard() {
	mkdir -p /cache/graveyard/old/@01
	echo old >/cache/graveyard/old/@01/file
}

old_graveyard_is_empty() {
	[ -d /cache/graveyard ] && [ -z "$(ls /cache/graveyard)" ] && graves_are_empty
}

say "an old graveyard, and no daemon"
fill_old_graveyard
open_device
bind
wait_until 30 old_graveyard_is_empty || fail "the old graveyard is not emptied"
yes unbind
close_device
fill_old_graveyard

# --- cachefilesd ------------------------------------------------------------------------------------

# What is buried goes by itself: the daemon, who watches the graveyard, must not get in the way. A
# volume's folder without an xattr is none.
say "cachefilesd, and a volume that is buried"
volume=$(ls -d /cache/cache/I*)
cp -r "$volume" /tmp/volume
rm -r "$volume"
mv /tmp/volume "$volume"
start_daemon
mount_cached
compare_all "after a volume was buried"
wait_until 30 old_graveyard_is_empty || fail "the graves are not emptied"
kill -0 "$daemon" || fail "cachefilesd ended: $(tail -n 2 /tmp/cachefilesd.log)"
say "cachefilesd, killed"
kill -9 "$daemon"
wait "$daemon"
cache_is_active || fail "the cache ended with a daemon that was killed"
compare_all "after the daemon was killed"
open_device
close_device
cache_is_active || fail "who hasn't bound it has ended it"
start_daemon
cache_is_active || fail "a second daemon can't take the cache over"
compare_all "with a second daemon"
settle
remount
compare_all_cached "warm, with a second daemon"
umount /mnt
cache_down
finish
