#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# options.sh - mistakes on the command line, and statistics that are written at every exit.

. "$(dirname "$0")/lib.sh"
setup
need python3

random_file "$export/file" 20000
random_file "$export/no-access" 20000
server_diod
settle

# Without the options that client() gives.
bare() { # ARGUMENT...
	rm -f "$tmp/stats"
	timeout -k 5 60 "$program" "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
}

refused() { # ARGUMENT...: before anything is begun, with a message
	begin "$*"
	bare "$@"
	status_is 2
	[ -s "$tmp/err" ] || wrong "nothing was said"
	[ ! -s "$tmp/out" ] || wrong "something was written to stdout"
	[ ! -e "$cache" ] || wrong "a cache was made"
}

mistakes() {
	set -- --server "$server" --aname "$export" --cache "$cache"
	refused
	refused --server "$server"
	refused cat file
	refused "$@"
	refused "$@" eat file
	refused "$@" cat
	refused "$@" cat file file
	refused "$@" get file
	refused "$@" ls
	refused "$@" warm
	refused "$@" --no-such-option cat file
	refused "$@" cat --no-such-option file
	refused "$@" --msize many cat file
	refused "$@" --msize 0x10 cat file
	refused "$@" --msize -1 cat file
	refused "$@" --cache-size 10X cat file
	refused "$@" --cache-size -5 cat file
	refused "$@" --cache-size 99999999999G cat file
	refused "$@" --clock-slack soon cat file
	refused "$@" cat --offset -1 file
	refused "$@" cat --length x file
	refused "$@" cat ../file
	refused "$@" --server
	refused "$@" cat --msize 1 file
}

# A number that is out of range: which one, and what would do.
ranges() {
	set -- --server "$server" --aname "$export" --cache "$cache"
	while read -r option value least most; do
		refused "$@" "$option" "$value" cat file
		says "$option: '$value' is not a number from $least to $most"
	done <<-END
		--msize 1 256 64M
		--msize 255 256 64M
		--msize 65M 256 64M
		--msize 18446744073709551616 256 64M
		--cache-size 0 1 9223372036854775807
		--clock-slack 4294967296 0 4294967295
		--timeout 0 1 86400
	END
	refused "$@" --cache '' cat file
	says --cache
	for port in 0 65536 99999 x ''; do
		refused --server "tcp:127.0.0.1:$port" cat file
		says "a port from 1 to 65535"
	done
	refused --server tcp:127.0.0.1 cat file
}

# What stands before the command may stand after it.
after_the_command() {
	begin "options after the command"
	for command in ls stat cat warm; do
		bare $command -v --server "$server" file --aname "$export" --cache "$cache" \
			--msize 300
		status_is 0
	done
	[ -d "$cache" ] || wrong "--cache was not heeded"
	bare cat --server "$server" file --aname "$export" --no-cache
	status_is 0
	out_is "$export/file"
	bare cat --help
	! grep -q -e --aname "$tmp/out" || wrong "cat --help tells of all options"
	rm -rf "$cache"
}

# The address once.
addresses() {
	for address in "unix:$tmp/no.sock" tcp:127.0.0.1:1 tcp:no.such.host.invalid:564; do
		begin "$address"
		bare --server "$address" cat file
		status_is 1
		[ "$(grep -o -e "${address#*:}" "$tmp/err" | wc -l)" = 1 ] ||
			wrong "the address is not there once"
	done
	begin "no --aname"
	bare --server "$server" --no-cache cat file
	[ "$status" = 0 ] || says --aname
}

# Statistics as one flat JSON object, with at least these.
check_stats() {
	[ -s "$tmp/stats" ] || {
		wrong "no statistics were written"
		return
	}
	python3 - "$tmp/stats" "$status" >"$tmp/json" 2>&1 <<-'END' || wrong "$(cat "$tmp/json")"
		import json, sys
		s = json.load(open(sys.argv[1]))
		names = """server_read_bytes server_reads cache_read_bytes cache_reads
		    cache_write_bytes objects_created objects_found objects_invalidated
		    objects_discarded not_kept_bytes cache_errors""".split()
		for name in names:
		    assert isinstance(s[name], int) and s[name] >= 0, name
		assert s.get("exit_status", int(sys.argv[2])) == int(sys.argv[2]), "exit_status"
	END
}

statistics() {
	set -- --server "$server" --aname "$export" --cache "$cache" --stats "$tmp/stats"
	begin "statistics of success"
	bare "$@" cat file
	status_is 0
	check_stats
	stat_is server_read_bytes 20000
	begin "statistics replace what was there"
	echo old >"$tmp/stats"
	timeout -k 5 60 "$program" "$@" cat file >"$tmp/out" 2>"$tmp/err"
	check_stats
	begin "statistics of a missing file"
	bare "$@" cat missing
	status_is 1
	check_stats
	begin "statistics of a server that isn't there"
	bare "$@" --server "unix:$tmp/no.sock" cat file
	status_is 1
	says no.sock
	check_stats
	begin "statistics of a name that can't be resolved"
	bare "$@" --server tcp:127.0.0.1:1 cat file
	status_is 1
	check_stats
	begin "statistics of a server that lets nobody in"
	bare "$@" --aname /no/such/export cat file
	status_is 1
	check_stats
	begin "statistics of a mistake"
	bare "$@" eat file
	status_is 2
	check_stats
	begin "statistics that can't be written"
	bare --server "$server" --aname "$export" --cache "$cache" --stats "$tmp/none/stats" \
		cat file
	status_is 1
	says none/stats
	begin "output that can't be written"
	timeout -k 5 60 "$program" "$@" cat file >/dev/full 2>"$tmp/err"
	status=$?
	status_is 1
	[ -s "$tmp/err" ] || wrong "nothing was said"
	check_stats
	begin "output that nobody reads"
	{
		timeout -k 5 60 "$program" "$@" cat file 2>"$tmp/err"
		echo $? >"$tmp/status"
	} | :
	status=$(cat "$tmp/status")
	[ "$status" -gt 0 ] || [ ! -s "$tmp/err" ] || wrong "status 0 with something said"
	check_stats
}

others() {
	begin "--help"
	bare --help
	status_is 0
	for word in --cache --cache-size --no-cache --msize --stats --clock-slack --server --aname \
		--uname warm; do
		grep -q -e "$word" "$tmp/out" || wrong "--help doesn't tell of $word"
	done
	begin "--version"
	bare --version
	status_is 0
	begin "an msize of 256, and one of 1 MiB"
	client --msize 300 cat file
	status_is 0
	out_is "$export/file"
	rm -rf "$cache"
	client --msize 1M cat file
	status_is 0
	out_is "$export/file"
	rm -rf "$cache"
	begin "over TCP, with a name for the server"
	port=$(free_port)
	stop_server
	(
		trap '' PIPE
		exec diod -f -n -l "127.0.0.1:$port" -e "$export" -L "$tmp/server.log" \
			>"$tmp/server.out" 2>&1
	) &
	server_pid=$!
	server=tcp:127.0.0.1:$port
	server_answers || die "diod did not start"
	client --volume-dev one cat file
	status_is 0
	stat_is server_read_bytes 20000
	client --volume-dev one cat file
	stat_is server_reads 0
	client --volume-dev two cat file
	stat_is server_read_bytes 20000
	bare --server "$server" --volume-dev one --aname "$export" --cache "$cache" \
		--stats "$tmp/stats" cat file
	status_is 0
	out_is "$export/file"
	stat_is server_reads 0
	verified
}

mistakes
ranges
addresses
after_the_command
statistics
others
finish
