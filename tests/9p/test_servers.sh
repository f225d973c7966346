#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# test_servers.sh - the 9P client library against a real server on loopback.
#
#   test_servers.sh diod|ganesha P9TOOL COUNTING-PROXY
#
# Attributes, directories, names of any bytes, links and data are compared with the
# exported folder itself; then the bytes with what the proxy between counted. Status 77
# when the server isn't there or doesn't start.
#
# ganesha's 9P listens on every address, so where that is permitted the whole test moves
# to a network of its own, which has a loopback device only.

set -u
server=$1 p9tool=$2 proxy=$3
export LC_ALL=C

skip() {
	echo "SKIP: $*"
	exit 77
}

fail() {
	echo "FAIL: $*"
	failed=1
}

if [ "$server" = ganesha ] && [ -z "${P9_OWN_NET-}" ] && unshare -n true 2>/dev/null &&
	command -v ip >/dev/null; then
	P9_OWN_NET=1
	export P9_OWN_NET
	exec unshare -n sh "$0" "$@"
fi
[ -z "${P9_OWN_NET-}" ] || ip link set lo up

PATH=$PATH:/usr/sbin:/sbin
failed=0
server_pid=
proxy_pid=
dir=$(mktemp -d) || exit 1

clean_up() {
	[ -z "$proxy_pid" ] || kill "$proxy_pid" 2>/dev/null
	[ -z "$server_pid" ] || kill "$server_pid" 2>/dev/null
	# ganesha takes seconds to end, and must not be found by the next test
	i=0
	while [ -n "$server_pid" ] && kill -0 "$server_pid" 2>/dev/null && [ $i -lt 100 ]; do
		sleep 0.1
		i=$((i + 1))
	done
	[ -z "$server_pid" ] || kill -9 "$server_pid" 2>/dev/null
	wait 2>/dev/null
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM PIPE

# ---- what is exported ----

export=$dir/export
newline=$(printf 'new\nline')
high=$(printf 'h\303\050\377\200')
long=$(printf '%0255d' 7)
deep=a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/a/b/c/d/e/f/g/h/i/j

make_tree() {
	mkdir -p "$export/many" "$export/names" "$export/$deep" "$export/empty" || return 1
	chmod 755 "$dir" "$export"
	(cd "$export/many" && i=0 && while [ $i -lt 2000 ]; do
		: >"file-$i-with-a-name-of-some-length"
		i=$((i + 1))
	done)
	head -c 20971520 /dev/urandom >"$export/big"
	head -c 1 /dev/urandom >"$export/one"
	: >"$export/zero"
	for name in "$newline" "$high" "$long" 'spa ce' '-rf' '*'; do
		echo "this is $name" >"$export/names/$name"
	done
	echo bottom >"$export/$deep/file"
	ln -s '../some where/else' "$export/link"
	chmod 640 "$export/one"
}

# ---- the servers ----

start_diod() {
	command -v diod >/dev/null || skip "diod is not installed"
	port=$("$p9tool" port)
	[ "$(id -u)" = 0 ] && user= || user="-u $(id -u)"
	# diod 1.0 leaves SIGPIPE deadly: a client that goes away while it is being answered
	# takes the server along.
	(
		trap '' PIPE
		# shellcheck disable=SC2086 # $user is two words, or none
		exec diod -f -n $user -l "127.0.0.1:$port" -l "$dir/diod.sock" -e "$export" \
			-L "$dir/log" 2>"$dir/stderr"
	) &
	server_pid=$!
}

start_ganesha() {
	command -v ganesha.nfsd >/dev/null || skip "nfs-ganesha is not installed"
	[ "$(id -u)" = 0 ] || skip "nfs-ganesha needs root"
	port=$("$p9tool" port)
	mkdir -p "$dir/recovery"
	# in a network with loopback only, its resolver finds no address for this name
	[ -n "${P9_OWN_NET-}" ] && bind= || bind='Bind_addr = 127.0.0.1;'
	# msize: larger reads crash this server
	cat >"$dir/ganesha.conf" <<-END
		NFS_CORE_PARAM {
			Protocols = 9P; Enable_NLM = false; Enable_RQUOTA = false;
			Enable_UDP = false; $bind NFS_Port = $("$p9tool" port);
		}
		NFSv4 { Graceless = true; RecoveryBackend = fs; RecoveryRoot = $dir/recovery; }
		NFS_KRB5 { Active_krb5 = false; }
		_9P { _9P_TCP_Port = $port; _9P_TCP_Msize = 65536; }
		EXPORT {
			Export_Id = 1; Path = $export; Pseudo = /exp; Tag = exp; Protocols = 9P;
			Access_Type = RW; Squash = No_Root_Squash; SecType = sys;
			Transports = TCP; FSAL { Name = VFS; }
		}
		LOG { Default_Log_Level = EVENT; }
	END
	ganesha.nfsd -F -f "$dir/ganesha.conf" -L "$dir/log" -p "$dir/ganesha.pid" \
		2>"$dir/stderr" &
	server_pid=$!
}

p9() { # [--stats] ADDRESS COMMAND PATH
	"$p9tool" --aname "$export" "$@"
}

wait_for_server() {
	i=0
	until p9 "$address" stat / >/dev/null 2>"$dir/why"; do
		i=$((i + 1))
		if [ $i -gt 300 ] || ! kill -0 "$server_pid" 2>/dev/null; then
			cat "$dir/why" "$dir/stderr" 2>/dev/null
			tail -5 "$dir/log" 2>/dev/null
			skip "$server did not start"
		fi
		sleep 0.1
	done
}

# ---- what is compared ----

same() { # WHAT GOT WANTED
	[ "$2" = "$3" ] || fail "$1: got '$2', wanted '$3'"
}

local_stat() { # as p9tool stat prints it
	printf '%o ' "0x$(stat -c %f "$1")"
	stat -c '%u %g %h %s %.9Y' "$1"
}

# names, sorted, one a line, newlines in them made visible
names_sorted() {
	tr '\0\n' '\n\001' | sort
}

check_names() { # FOLDER
	p9 "$address" names "$1" >"$dir/got" || fail "names of $1"
	names_sorted <"$dir/got" >"$dir/got.sorted"
	find "$export/$1" -mindepth 1 -maxdepth 1 -printf '%f\0' | names_sorted >"$dir/wanted"
	cmp "$dir/got.sorted" "$dir/wanted" || fail "the entries of $1"
}

check_file() { # PATH
	same "sha256 of $1" "$(p9 "$address" cat "$1" | sha256sum)" \
		"$(sha256sum <"$export/$1")"
}

check_tree() {
	for path in / one zero big many link "names/$newline" "names/$high" "names/$long" \
		"$deep/file"; do
		same "attributes of $path" "$(p9 "$address" stat "$path")" \
			"$(local_stat "$export/$path")"
	done
	for path in many names empty "$deep"; do
		check_names "$path"
	done
	for path in one zero big "$deep/file"; do
		check_file "$path"
	done
	for name in "$newline" "$high" "$long" 'spa ce' '-rf' '*'; do
		check_file "names/$name"
	done
	same "the link" "$(p9 "$address" link link)" '../some where/else'
	p9 "$address" statfs / >/dev/null || fail "statfs"
	# an error, of whichever type the server uses, and not the end of the connection
	same "a missing file" "$(p9 "$address" stat missing 2>&1)" \
		"p9tool: missing: No such file or directory"
	same "a missing folder" "$(p9 "$address" stat "$deep/missing/x" 2>&1)" \
		"p9tool: $deep/missing/x: No such file or directory"
}

# ---- through the proxy ----

start_proxy() { # OPTION...
	rm -f "$dir/proxy.sock" "$dir/proxy.out" "$dir/report"
	"$proxy" --listen "unix:$dir/proxy.sock" --connect "$address" --report "$dir/report" \
		"$@" >"$dir/proxy.out" &
	proxy_pid=$!
	i=0
	until grep -qs listening "$dir/proxy.out" || [ $i -gt 100 ]; do
		sleep 0.05
		i=$((i + 1))
	done
}

stop_proxy() {
	kill "$proxy_pid"
	wait "$proxy_pid"
	proxy_pid=
}

counted() { # NAME: from the proxy's report
	sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" "$dir/report"
}

claimed() { # NAME: from the client's
	sed -n "s/^$1=//p" "$dir/stats"
}

check_counts() {
	start_proxy --delay-ms 2
	p9 --stats "unix:$dir/proxy.sock" cat big 2>"$dir/stats" | sha256sum >"$dir/got"
	stop_proxy
	same "sha256 through the proxy" "$(cat "$dir/got")" "$(sha256sum <"$export/big")"
	same "payload" "$(claimed server_read_bytes)" 20971520
	same "payload as counted" "$(counted rread_bytes)" 20971520
	same "bytes to the server" "$(claimed bytes_sent)" "$(counted bytes_to_server)"
	same "bytes to the client" "$(claimed bytes_received)" "$(counted bytes_to_client)"
	same "malformed messages" "$(counted malformed)" 0
	# every Tread was answered; those past the end of the file had no data in them
	same "answers to reads" "$(counted rreads)" "$(counted treads)"
	[ "$(claimed server_reads)" -le "$(counted treads)" ] || fail "more reads than sent"
}

check_cut() {
	start_proxy --kill-after-bytes 1000000
	p9 --stats "unix:$dir/proxy.sock" cat big >"$dir/got" 2>"$dir/stats" &&
		fail "a read that was cut off succeeded"
	stop_proxy
	grep -q 'closed the connection in the middle' "$dir/stats" || fail "$(cat "$dir/stats")"
	same "payload before the cut" "$(claimed server_read_bytes)" 1000000
	same "payload before the cut as counted" "$(counted rread_bytes)" 1000000
	head -c "$(wc -c <"$dir/got")" "$export/big" | cmp - "$dir/got" || fail "bytes before the cut"
}

make_tree || exit 1
"start_$server"
address=tcp:127.0.0.1:$port
wait_for_server
check_tree
check_counts
check_cut
if [ "$server" = diod ]; then
	address=unix:$dir/diod.sock
	check_tree
fi
kill -0 "$server_pid" || fail "$server died"
if [ $failed = 0 ]; then
	echo "$server: all right"
else
	tail -5 "$dir/log"
fi
exit $failed
