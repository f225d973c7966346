# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# pieces.sh PROTOCOL - a file of which parts are stored, here and there. What is read is right, and
# is stored whole then; and no folio is read in slices, which 6.12 may not survive (compat.h).
# shellcheck shell=sh

. /guest/lib.sh

tracing=/sys/kernel/tracing

# Of requests with more than one slice, those slices that begin within what may be a folio: not at a
# multiple of the greatest power of two that isn't above the request's length. (Beyond the file's
# end there is nothing to be read in slices.)
cut_folios() {
	awk '
	function number(text) {
		n = 0
		for (i = 1; i <= length(text); i++)
			n = n * 16 + index("123456789abcdef", substr(text, i, 1))
		return n
	}
	/ netfs_read: / {
		match($0, /R=[0-9a-f]+/)
		request = substr($0, RSTART, RLENGTH)
		match($0, / l=[0-9a-f]+/)
		size = number(substr($0, RSTART + 3, RLENGTH - 3))
		for (folio[request] = 4096; folio[request] * 2 <= size; folio[request] *= 2)
			;
		match($0, / sz=[0-9a-f]+/)
		end[request] = number(substr($0, RSTART + 4, RLENGTH - 4))
	}
	/ netfs_sreq: .* ADD / {
		match($0, /R=[0-9a-f]+/)
		request = substr($0, RSTART, RLENGTH)
		match($0, / s=[0-9a-f]+/)
		at = number(substr($0, RSTART + 3, RLENGTH - 3))
		if (seen[request]++ && at < end[request] && at % folio[request])
			print
	}' $tracing/trace
}

# (What NFS has of small servers: less than a window of readahead.)
mount_cached() {
	case $protocol in
	nfs) mount_nfs fsc,rsize=32768 ;;
	9p) mount_9p cached trans=virtio,cache=fscache,cachetag=guest ;;
	cifs) mount_smb fsc ;;
	*) skip "not for $protocol" ;;
	esac
}

serve "$1"
io fill "$served/pieces" 6000001 1
cache_up
mount_cached
mount -t tracefs none $tracing || skip "no tracefs"
io rand /mnt/pieces 100 1 >/dev/null
settle
remount
stored=$(cache_writes)
for event in netfs/netfs_read netfs/netfs_sreq; do
	echo 1 >$tracing/events/$event/enable || skip "no tracepoint $event"
done
reads_before=$(cache_reads)
compare_all "with pieces"
[ "$(grep -c 'netfs_sreq: .* ADD ' $tracing/trace)" -gt 1 ] || fail "no trace of a slice"
cut_folios >/tmp/cut
[ ! -s /tmp/cut ] || fail "folios were cut: $(wc -l </tmp/cut) times, first $(head -n 3 /tmp/cut)"
for event in netfs/netfs_read netfs/netfs_sreq; do
	echo 0 >$tracing/events/$event/enable
done
say "$stored pieces were stored, $(($(cache_reads) - reads_before)) reads of the cache"
settle
remount
compare_all_cached "once it has been read"
umount /mnt
cache_down
finish
