# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# lib.sh - what the end-to-end tests share: a server, the client behind a counting proxy, checks.
#
#   . "$(dirname "$0")/lib.sh"      with the build folder as the script's first argument
#
# Nothing that is checked is taken from the program's own word: its output is compared with the
# server's files, its statistics with what the proxy counted, its cache with the server's files.
# shellcheck shell=sh

e2e=$(cd "$(dirname "$0")" && pwd)
. "$e2e/../lib.sh"

# Mounts of one's own: who makes a mount namespace meanwhile would get a copy of ours, and a disk that
# is shut down and unmounted would live on in there, and be found again by the next mount.
if [ -z "${FSC_OWN_MOUNTS-}" ] && [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	FSC_OWN_MOUNTS=1 exec unshare -m sh "$0" "$@"
fi

case ${1:?"usage: $0 BUILD-FOLDER"} in
/*) build=$1 ;;
*) build=$PWD/$1 ;;
esac
program=$build/examples/9p/fsc9p
proxy=$build/tests/9p/counting-proxy
verify=$build/tests/e2e/verify
for fsc_file in "$program" "$proxy" "$verify"; do
	[ -x "$fsc_file" ] || die "$fsc_file is not there"
done

scenario= # what is being tried, said with each failure
begin() { # SCENARIO...
	scenario=$*
	echo "--- $scenario"
}

wrong() { # WHAT...: fail, and show what the client said
	fail "$scenario: $*"
	[ ! -s "$tmp/err" ] || sed 's/^/	stderr: /' "$tmp/err" | head -n 20
	[ ! -s "$tmp/stats" ] || sed 's/^/	stats: /' "$tmp/stats" | head -n 60
}

# ---- the folder that is exported, and the server ----

setup() {
	make_tmp
	export=$tmp/export
	cache=$tmp/cache
	mkdir -m 755 "$export" || die "mkdir"
	chmod 1777 "$tmp" # for clients that aren't root
	server_pid=
	server=
	at_exit stop_server
}

server_diod() {
	need diod
	server=unix:$tmp/diod.sock
	rm -f "$tmp/diod.sock"
	[ "$(id -u)" = 0 ] && fsc_user= || fsc_user="-u $(id -u)"
	# A client that goes away while it is being answered takes diod 1.0 along, by SIGPIPE.
	(
		trap '' PIPE
		# shellcheck disable=SC2086 # no word, or two
		exec diod -f -n $fsc_user -l "$tmp/diod.sock" -e "$export" -L "$tmp/server.log" \
			>"$tmp/server.out" 2>&1
	) &
	server_pid=$!
	server_answers || skip "diod did not start: $(tail -n 1 "$tmp/server.out")"
}

# One whose files have versions, or none; only to read from.
server_versions() { # mtime|none
	server=unix:$tmp/versions.sock
	"$build/tests/9p/p9-server" --listen "$server" --export "$export" --versions "$1" \
		>"$tmp/server.out" 2>&1 &
	server_pid=$!
	server_answers || die "p9-server did not start: $(cat "$tmp/server.out")"
}

free_port() {
	python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

# ganesha's 9P listens on every address: in_own_network comes first, where that can be had.
server_ganesha() {
	need ganesha.nfsd
	[ "$(id -u)" = 0 ] || skip "nfs-ganesha needs root"
	fsc_port=$(free_port)
	server=tcp:127.0.0.1:$fsc_port
	mkdir -p "$tmp/recovery"
	# in a network with loopback only, its resolver finds no address for this name
	[ -n "${FSC_OWN_NET-}" ] && fsc_bind= || fsc_bind='Bind_addr = 127.0.0.1;'
	# msize: larger reads crash this server
	cat >"$tmp/ganesha.conf" <<-END
		NFS_CORE_PARAM {
			Protocols = 9P; Enable_NLM = false; Enable_RQUOTA = false;
			Enable_UDP = false; $fsc_bind NFS_Port = $(free_port);
		}
		NFSv4 { Graceless = true; RecoveryBackend = fs; RecoveryRoot = $tmp/recovery; }
		NFS_KRB5 { Active_krb5 = false; }
		_9P { _9P_TCP_Port = $fsc_port; _9P_TCP_Msize = 65536; }
		EXPORT {
			Export_Id = 1; Path = $export; Pseudo = /exp; Tag = exp; Protocols = 9P;
			Access_Type = RW; Squash = No_Root_Squash; SecType = sys;
			Transports = TCP; FSAL { Name = VFS; }
		}
		LOG { Default_Log_Level = EVENT; }
	END
	ganesha.nfsd -F -f "$tmp/ganesha.conf" -L "$tmp/server.log" -p "$tmp/ganesha.pid" \
		>"$tmp/server.out" 2>&1 &
	server_pid=$!
	server_answers || skip "ganesha did not start: $(tail -n 1 "$tmp/server.log")"
}

in_own_network() {
	if [ -z "${FSC_OWN_NET-}" ] && command -v ip >/dev/null && unshare -n true 2>/dev/null; then
		FSC_OWN_NET=1 exec unshare -n sh "$0" "$@"
	fi
	[ -z "${FSC_OWN_NET-}" ] || ip link set lo up
}

server_answers() {
	wait_until 30 server_answers_or_ended && kill -0 "$server_pid" 2>/dev/null
}

server_answers_or_ended() {
	kill -0 "$server_pid" 2>/dev/null || return 0
	timeout -k 5 10 "$program" --no-cache --server "$server" --aname "$export" stat / \
		>/dev/null 2>&1
}

stop_server() { # [SIGNAL]
	[ -n "$server_pid" ] || return 0
	kill "-${1:-TERM}" "$server_pid" 2>/dev/null
	# ganesha takes seconds
	wait_until 10 server_is_gone || kill -KILL "$server_pid" 2>/dev/null
	wait "$server_pid" 2>/dev/null
	server_pid=
}

server_is_gone() {
	! kill -0 "$server_pid" 2>/dev/null
}

# Files changed less than --clock-slack (2 seconds, below) ago aren't kept: wait, once, when all are
# made. The only wait for time in these tests.
settle() {
	sleep 3
}

random_file() { # PATH BYTES
	head -c "$2" /dev/urandom >"$1"
}

# ---- the proxy ----

# One for each run of the client, always at the same address (which is part of the volume's name).
start_proxy() { # OPTION...
	rm -f "$tmp/proxy.sock" "$tmp/report"
	[ -p "$tmp/ready" ] || mkfifo "$tmp/ready"
	"$proxy" --listen "unix:$tmp/proxy.sock" --connect "$server" --report "$tmp/report" "$@" \
		>"$tmp/ready" 2>"$tmp/proxy.err" &
	proxy_pid=$!
	read -r fsc_line <"$tmp/ready" || die "the proxy did not start: $(cat "$tmp/proxy.err")"
	chmod 777 "$tmp/proxy.sock"
}

stop_proxy() {
	kill "$proxy_pid"
	wait "$proxy_pid"
}

number_in() { # FILE NAME: of one flat JSON object
	sed -n "s/.*\"$2\": *\([0-9][0-9]*\).*/\1/p" "$1"
}

counted() { # NAME: by the proxy
	number_in "$tmp/report" "$1"
}

stat_of() { # NAME: by the client
	number_in "$tmp/stats" "$1"
}

# ---- the client ----

proxy_options=
agreement=agree # how what it says of the server must fit what the proxy saw
prefix= # words before the program's name: strace, valgrind, setpriv, ...

# Run the client to its end: $status, $tmp/out, $tmp/err, $tmp/stats.
client() { # OPTION... COMMAND...
	# shellcheck disable=SC2086 # words
	start_proxy $proxy_options
	rm -f "$tmp/stats"
	# shellcheck disable=SC2086 # words
	timeout -k 10 100 $prefix "$program" --server "unix:$tmp/proxy.sock" --aname "$export" \
		--cache "$cache" --clock-slack 2 --stats "$tmp/stats" "$@" \
		>"$tmp/out" 2>"$tmp/err"
	status=$?
	stop_proxy
	$agreement
}

# The same in the background, for tests that end it, or the server, before its time.
client_starts() { # OPTION... COMMAND...
	# shellcheck disable=SC2086 # words
	start_proxy $proxy_options
	rm -f "$tmp/stats"
	# shellcheck disable=SC2086 # words
	$prefix "$program" --server "unix:$tmp/proxy.sock" --aname "$export" \
		--cache "$cache" --clock-slack 2 --stats "$tmp/stats" "$@" \
		>"$tmp/out" 2>"$tmp/err" &
	client_pid=$!
}

client_ends() {
	wait "$client_pid"
	status=$?
	stop_proxy
}

# Wait until so many bytes of file data have come from the server, or the client has ended.
payload_reaches() { # BYTES
	wait_until 60 payload_is_at "$1"
}

payload_is_at() {
	kill -USR1 "$proxy_pid"
	kill -0 "$client_pid" 2>/dev/null || return 0
	[ -f "$tmp/report" ] || return 1
	fsc_payload=$(counted rread_bytes)
	[ "${fsc_payload:-0}" -ge "$1" ]
}

agree() {
	agrees -eq -eq
}

agrees() { # COMPARISON-OF-BYTES COMPARISON-OF-READS
	if ! [ -s "$tmp/stats" ]; then
		wrong "no statistics were written (status $status)"
		return
	fi
	test "$(stat_of server_read_bytes)" "$1" "$(counted rread_bytes)" ||
		wrong "the server sent $(counted rread_bytes) bytes of data, as counted outside"
	test "$(stat_of server_reads)" "$2" "$(counted treads)" ||
		wrong "the server was asked to read $(counted treads) times, as counted outside"
	[ "$(counted malformed)" = 0 ] || wrong "malformed messages"
}

# Of reads that were cut off, or answered with nothing, the client counts none.
agree_but_for_answers() {
	agrees -eq -le
}

# After a client that was ended from outside: what was under way when it went may not have
# reached it.
agree_at_most() {
	agrees -le -le
}

# ---- checks of the last run ----

status_is() { # STATUS
	[ "$status" = "$1" ] || wrong "status $status, wanted $1"
}

stat_is() { # NAME VALUE
	[ "$(stat_of "$1")" = "$2" ] || wrong "$1 is '$(stat_of "$1")', wanted $2"
}

stat_over() { # NAME VALUE: more than that
	[ "$(stat_of "$1")" -gt "$2" ] || wrong "$1 is '$(stat_of "$1")', wanted more than $2"
}

stat_at_most() { # NAME VALUE
	[ "$(stat_of "$1")" -le "$2" ] || wrong "$1 is '$(stat_of "$1")', wanted at most $2"
}

out_is() { # FILE [OFFSET LENGTH]: the client printed that (part of a) file
	if [ $# = 1 ]; then
		cmp "$tmp/out" "$1" || wrong "what was delivered differs from ${1##*/}"
	else
		tail -c "+$(($2 + 1))" "$1" | head -c "$3" | cmp - "$tmp/out" ||
			wrong "what was delivered differs from ${1##*/}, bytes $2 + $3"
	fi
}

says() { # PATTERN: on stderr
	grep -q -e "$1" "$tmp/err" || wrong "nothing like '$1' was said"
}

quiet() {
	[ ! -s "$tmp/err" ] || wrong "something was said"
}

one_warning() {
	[ "$(wc -l <"$tmp/err")" = 1 ] || wrong "$(wc -l <"$tmp/err") lines were said, wanted 1"
}

# cat of one exported file, which must come out right.
cat_right() { # PATH OPTION...
	fsc_path=$1
	shift
	client "$@" cat "$fsc_path"
	status_is 0
	out_is "$export/$fsc_path"
}

cold() { # PATH: all of it from the server
	cat_right "$@"
	stat_is server_read_bytes "$(stat -c %s "$export/$1")"
	stat_is cache_read_bytes 0
}

warm() { # PATH: all of it from the cache
	cat_right "$@"
	stat_is server_reads 0
	stat_is server_read_bytes 0
	stat_is cache_read_bytes "$(stat -c %s "$export/$1")"
}

# The cache can't be used: said in one line, and all of it comes from the server.
uncached() { # PATH OPTION...
	cat_right "$@"
	one_warning
	stat_is server_read_bytes "$(stat -c %s "$export/$1")"
	stat_is cache_read_bytes 0
	stat_is cache_write_bytes 0
}

nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'

# Each granule in the cache is what the server has. [--killed] [--like-kernel]
verified() {
	"$verify" "$@" "$cache" "$export" >"$tmp/verified" 2>"$tmp/verify.err" || {
		fail "$scenario: the cache holds what the server doesn't have"
		cat "$tmp/verified"
		head -n 20 "$tmp/verify.err"
	}
}

verified_is() { # NAME VALUE: what verify counted
	[ "$(number_in "$tmp/verified" "$1")" = "$2" ] ||
		fail "$scenario: $(number_in "$tmp/verified" "$1") $1 in the cache, wanted $2"
}

# ---- filesystems of their own ----

# An image, mounted at $tmp/NAME. Skips where mounting isn't permitted.
mounted() { # NAME SIZE MKFS...
	[ "$(id -u)" = 0 ] || skip "mounting needs root"
	fsc_name=$1 fsc_size=$2
	shift 2
	need "$1"
	mkdir -p "$tmp/$fsc_name"
	rm -f "$tmp/$fsc_name.image"
	truncate -s "$fsc_size" "$tmp/$fsc_name.image"
	"$@" "$tmp/$fsc_name.image" >"$tmp/mkfs.log" 2>&1 || die "$*: $(tail -n 1 "$tmp/mkfs.log")"
	mount -o loop "$tmp/$fsc_name.image" "$tmp/$fsc_name" >"$tmp/mount.log" 2>&1 ||
		skip "mount: $(tail -n 1 "$tmp/mount.log")"
	at_exit "mountpoint -q '$tmp/$fsc_name' && umount -l '$tmp/$fsc_name'"
}
