#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# run.sh - install what is needed, build, run every test.
#
#   sh tests/run.sh [--long] [PART...]
#   sh tests/run.sh --list         the parts
#   sh tests/run.sh [--long] --packages     Debian's names of what it takes
#
# On Debian 12, as root or as someone who may use sudo. Without PART, all of them. --long takes the
# big numbers: new seeds, many more kills and cuts; stopped, it goes on where it was. Nothing is
# written to the source tree but build/, or to $FSC_BUILD instead. The last line is
#	N passed, N failed, N skipped
# and the status is 0 only if something was run and nothing failed. Stopped (HUP, INT, TERM), it ends
# what it has started, guests and servers too, which takes some seconds, and dies by the signal.

set -u
cd "$(dirname "$0")/.." || exit 1
source=$PWD
case ${FSC_BUILD:=build} in
/*) build=$FSC_BUILD ;;
*) build=$source/$FSC_BUILD ;;
esac
export LC_ALL=C

# --- Being stopped ---------------------------------------------------------------------------

# A shell that waits for a test hears of a signal only when that has ended, and Ctrl-C reaches no test:
# timeout has a process group of its own. So this process only watches another one, that does the work.
# (What a shell starts in the background ignores INT, and so would everything below.)
watch_over() { # ARGUMENT...
	env --default-signal=INT,QUIT "FSC_WATCHED_BY=$$" sh tests/run.sh "$@" &
	worker=$!
	for signal in HUP INT TERM; do
		# shellcheck disable=SC2064 # each its own
		trap "stop_all $signal" "$signal"
	done
	wait "$worker"
	exit
}

stop_all() { # SIGNAL
	trap '' HUP INT TERM
	echo "stopping what runs: half a minute at most" >&2
	told=
	stop_tree "$worker"
	wait "$worker"
	# (whose parents have ended before them)
	for pid in $told; do
		while [ -d "/proc/$pid" ]; do
			sleep 0.1
		done
	done
	trap - "$1"
	kill -s "$1" $$
}

# Each once: who is told twice, breaks off tidying up. Who passes it on to all below is told alone, and
# sudo would take no signal from here. Others are kept from starting more until all have it.
stop_tree() { # PID
	case $(cat "/proc/$1/comm" 2>/dev/null) in
	'') ;;
	timeout | meson)
		signal TERM "$1"
		told="$told $1"
		;;
	sudo) stop_below "$1" ;;
	*)
		signal STOP "$1"
		stop_below "$1"
		signal TERM "$1"
		signal CONT "$1"
		;;
	esac
}

stop_below() { # PID
	for child in $(ps -o pid= --ppid "$1"); do
		stop_tree "$child"
	done
}

signal() { # SIGNAL PID: which may be root's
	kill -s "$1" "$2" 2>/dev/null || sudo -n kill -s "$1" "$2" 2>/dev/null
}

[ "${FSC_WATCHED_BY-}" = "$PPID" ] || watch_over "$@"

stopped() { # STATUS: all that was started has ended
	trap '' HUP INT TERM
	give_back
	echo "stopped; $passed passed, $failed failed, $skipped skipped" >&2
	exit "$1"
}

trap 'stopped 129' HUP
trap 'stopped 130' INT
trap 'stopped 143' TERM

# --- What has to be installed ----------------------------------------------------------------

# To build and test with gcc.
packages='build-essential meson ninja-build pkg-config python3 git
	liburing-dev libcmocka-dev libjson-c-dev libmd-dev libnfs-dev'
# With clang. Its sanitizers are only recommended by clang itself.
packages="$packages clang libclang-rt-14-dev"
# What the tests run: servers, filesystems, a disk of our own (FUSE), valgrind, coverage.
packages="$packages diod nfs-ganesha nfs-ganesha-vfs rpcbind iproute2 procps valgrind attr
	e2fsprogs xfsprogs btrfs-progs mount util-linux libfuse3-dev fuse3 gcovr patch"
# What building a kernel module takes beside headers (which tests/build/kernel.sh gets).
packages="$packages gcc-12 make libelf1 libssl3"
# To boot kernels with it: an emulator, and what a guest consists of.
packages="$packages qemu-system-x86 busybox-static cpio kmod xz-utils"
# With --long, to build kernels (User Mode Linux, debug kernels), and packages in a Debian of their own.
long_packages='sparse flex bison bc libelf-dev mmdebstrap'

missing_packages() {
	for package in $packages; do
		status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)
		[ "$status" = installed ] || echo "$package"
	done
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# The same for those that leave things in the build folder or take kernels from the cache folder: both are
# those of whoever runs this, and what is made there is his.
root_cache=
as_root_in_folders() {
	if [ "$(id -u)" = 0 ] || ! sudo -n true 2>/dev/null; then
		"$@"
		return
	fi
	root_cache=${XDG_CACHE_HOME:-$HOME/.cache}
	mkdir -p "$root_cache/libfscache-tests"
	sudo -n env "XDG_CACHE_HOME=$root_cache" "FSC_BUILD=$build" "$@"
	root_status=$?
	give_back
	return $root_status
}

# (also if the above was stopped)
give_back() {
	[ -n "$root_cache" ] || return 0
	sudo -n find "$root_cache/libfscache-tests" "$build" -user 0 \
		-exec chown -h "$(id -u):$(id -g)" {} +
	root_cache=
}

# For tests that want root and can say that they don't have it.
as_root_if_possible() {
	if [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then
		sudo -n "$@"
	else
		"$@"
	fi
}

install_packages() {
	missing=$(missing_packages)
	[ -n "$missing" ] || return 0
	# shellcheck disable=SC2086,SC2116 # one line of words
	missing=$(echo $missing)
	echo "installing $missing"
	# shellcheck disable=SC2086 # words
	as_root sh -c '
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"
	' sh $missing >"$build/install.log" 2>&1 </dev/null || {
		tail -n 20 "$build/install.log"
		echo "these packages could not be installed: $missing"
		return 1
	}
}

# --- Counting --------------------------------------------------------------------------------

figures=
passed=0
failed=0
skipped=0

report() { # pass|fail|skip NAME [REASON]
	case $1 in
	pass) passed=$((passed + 1)) ;;
	fail) failed=$((failed + 1)) ;;
	skip) skipped=$((skipped + 1)) ;;
	esac
	echo "$1 $2${3:+: $3}"
}

# One test that is a command: 0 passed, 77 skipped, else failed and shown.
run_test() { # NAME COMMAND...
	run_logged "$@"
	judge "$1"
}

log_of() { # NAME
	echo "$build/logs/$(echo "$1" | tr '/ ' '__').log"
}

run_logged() { # NAME COMMAND...: writes its log, and its status beside it
	log=$(log_of "$1")
	shift
	"$@" >"$log" 2>&1 </dev/null
	echo $? >"$log.status"
}

judge() { # NAME: what run_logged ran
	log=$(log_of "$1")
	read -r status <"$log.status" || status=none
	rm -f "$log.status"
	case $status in
	0)
		report pass "$1" "${figures:+$(tail -n 1 "$log")}"
		sed -n 's/^LEFT OUT: //p' "$log" >"$log.left_out"
		while IFS= read -r line; do
			report skip "$1" "$line"
		done <"$log.left_out"
		rm -f "$log.left_out"
		;;
	77) report skip "$1" "$(sed -n 's/^SKIP: //p' "$log" | tail -n 1)" ;;
	*)
		tail -n 60 "$log"
		report fail "$1" "status $status"
		;;
	esac
}

# The same, of one whose last line of output says what was measured.
run_figures() { # NAME COMMAND...
	figures=1
	run_test "$@"
	figures=
}

# One line per test out of meson's log: pass|fail|skip, name, reason; what failed is printed whole
# before.
read_testlog() { # TESTLOG.json
	python3 - "$1" <<'END'
import json, sys

words = {"OK": "pass", "EXPECTEDFAIL": "pass", "SKIP": "skip"}
for line in open(sys.argv[1], encoding="utf-8", errors="replace"):
    test = json.loads(line)
    # libfscache:SUITE / NAME
    name = test["name"].split(":", 1)[-1].replace(" / ", "/").replace(" ", "_")
    word = words.get(test["result"], "fail")
    lines = (test.get("stdout") or "").splitlines()
    reason = ""
    if word == "skip":
        said = [l[6:] for l in lines if l.startswith("SKIP: ")]
        reason = (said or lines or ["no reason given"])[-1]
    elif word == "fail":
        lines += (test.get("stderr") or "").splitlines()
        print("\n".join("# " + l for l in lines[-60:]))
        reason = "%s, status %s" % (test["result"], test.get("returncode"))
    print("=", word, name, reason.replace("\n", " "))
END
}

meson_tests() { # BUILD-NAME ARGUMENT...
	label=$1
	shift
	json=$build/$label/meson-logs/run.json
	rm -f "$json"
	meson test -C "$build/$label" --no-rebuild --logbase run "$@" \
		>"$build/logs/$label.test.log" 2>&1 </dev/null
	status=$?
	if [ ! -s "$json" ]; then
		tail -n 20 "$build/logs/$label.test.log"
		report fail "$label/tests" "meson test ended with $status and ran nothing"
		return
	fi
	read_testlog "$json" >"$build/logs/$label.results"
	before=$failed
	while IFS= read -r line; do
		case $line in
		"= "*)
			line=${line#= }
			word=${line%% *}
			line=${line#* }
			report "$word" "$label/${line%% *}" "${line#* }"
			;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$build/logs/$label.results"
	[ "$status" = 0 ] || [ "$failed" -gt "$before" ] ||
		report fail "$label/tests" "meson test ended with $status"
}

# --- Building --------------------------------------------------------------------------------

build_in() { # BUILD-NAME MESON-OPTION...: a test of its own, true if it passed
	label=$1
	shift
	before=$failed
	run_test "$label/build" build_steps "$build/$label" "$@"
	[ "$failed" = "$before" ]
}

build_steps() { # FOLDER MESON-OPTION...
	folder=$1
	shift
	[ -f "$folder/build.ninja" ] || {
		rm -rf "$folder"
		meson setup "$@" "$folder" "$source" || return 1
	}
	ninja -C "$folder"
}

# Of all sanitizers: the first finding ends the program, with a status that no test has. (They build
# without -Dwerror: instrumented code makes gcc see ghosts.)
sanitizers_strict() {
	sanitizer_options=halt_on_error=1:exitcode=99:abort_on_error=0
	# (not detect_stack_use_after_return: leaks would be seen on the simulator's stacks)
	ASAN_OPTIONS=$sanitizer_options:strict_string_checks=1
	UBSAN_OPTIONS=$sanitizer_options:print_stacktrace=1
	TSAN_OPTIONS=$sanitizer_options:second_deadlock_stack=1
	export ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS
}

# No shell test takes longer than this many seconds; meson limits those that it runs.
limit=900

# --- The parts, in order ---------------------------------------------------------------------

parts='build-gcc build-clang asan tsan kernel filesystems e2e xfstests sim planted crash'
parts="$parts fuzz coverage package"

part_build_gcc() {
	build_in gcc -Dwerror=true && meson_tests gcc --timeout-multiplier "$patience"
}

part_build_clang() {
	CC=clang
	export CC
	build_in clang -Dwerror=true &&
		meson_tests clang --suite unit --suite build --timeout-multiplier "$patience"
	unset CC
}

part_asan() {
	sanitizers_strict
	build_in asan -Db_sanitize=address,undefined &&
		meson_tests asan --timeout-multiplier $((patience * 4))
}

# The simulator changes stacks by itself, which TSan can't follow; it has one thread anyway.
part_tsan() {
	sanitizers_strict
	build_in tsan -Db_sanitize=thread &&
		meson_tests tsan --suite unit --suite backend --suite 9p --suite common --suite nfs \
			--timeout-multiplier $((patience * 8))
}

part_kernel() {
	for series in 6.1 6.12; do
		run_test "kernel/$series" timeout -k 30 "$limit" \
			sh tests/build/kernel.sh "$source" "$series" "$build/kernel-$series"
		run_test "kernel/$series-boot" boot_series "$series"
	done
	run_test kernel/graft sh tests/build/graft.sh "$source"
	[ -z "$FSC_LONG" ] || kernel_long
}

boot_once() { # SERIES
	timeout -k 30 "$limit" env FSC_BUILD="$build" sh tests/kernel/run.sh --timeout 800 "$1" \
		tests/kernel/guest/boot.sh nfs 9p
}

# Where QEMU gets hardly any time, a kernel may stand still before anything of ours has run.
boot_series() { # SERIES
	boot_once "$1" >"$build/boot.out" 2>&1
	status=$?
	cat "$build/boot.out"
	[ $status = 124 ] && ! grep -q '^guest: up' "$build/boot.out" || return $status
	echo "its kernel has not come up: once more"
	boot_once "$1"
}

# The module in machines: hours. The fast ones first.
kernel_long() {
	FSC_BUILD=$build
	export FSC_BUILD
	seed=$(date +%s)
	echo "seed $seed"
	run_test kernel/uml-builtin-boot timeout -k 30 "$limit" \
		sh tests/kernel/run.sh uml-builtin tests/kernel/guest/boot.sh nfs 9p
	run_figures kernel/kunit timeout -k 30 "$limit" sh tests/kernel/kunit.sh
	for series in 6.1 6.12; do
		run_figures "kernel/$series-intree" timeout -k 30 "$limit" \
			sh tests/kernel/intree.sh "$series"
	done
	run_figures kernel/control-cuts timeout -k 30 "$limit" sh tests/kernel/cuts.sh --control \
		--seed 1 --parameters strict_removal=none uml 9p 0 100
	run_figures kernel/strict-cuts timeout -k 30 "$limit" sh tests/kernel/cuts.sh --strict \
		--seed "$seed" uml 9p 0 100
	kernel=uml disk=ext4
	for protocol in nfs 9p; do
		in_guest coherence "$protocol" control
	done
	need_gcc_build || return # both.sh runs fsc9p
	for kernel in uml uml-debug 6.12 6.1; do
		run_test "kernel/$kernel-planted" timeout -k 30 "$limit" \
			sh tests/kernel/planted.sh "$kernel"
		for disk in ext4 xfs; do
			run_test "kernel/$kernel-$disk-backend" timeout -k 30 "$limit" \
				sh tests/kernel/backend.sh "$kernel" "$disk"
			for protocol in nfs 9p cifs afs; do
				case $kernel-$protocol in
				uml-debug-afs) ;; # which it doesn't have
				*) kernel_scripts ;;
				esac
			done
			run_test "kernel/$kernel-$disk-mixed" timeout -k 30 "$limit" \
				sh tests/kernel/run.sh --cache "$disk" --cpus 4 --timeout 7200 \
				--memory "$(mixed_memory)" \
				"$kernel" tests/kernel/guest/mixed.sh 5 120 60 nfs 9p cifs
			run_test "kernel/$kernel-$disk-both" \
				as_root_in_folders timeout -k 30 $((limit * 2)) \
				sh tests/kernel/both.sh "$build/gcc" --cache "$disk" "$kernel"
		done
	done
	for kernel in 6.12 6.1; do
		kernel_ceph
		disk=btrfs
		for protocol in nfs 9p; do
			in_guest boot "$protocol"
			crash_points 50 50
		done
	done
	kernel_x86_debug
	kernel_others
}

# (Its servers want packages that are not installed for it: it's skipped without.)
kernel_ceph() {
	disk=ext4 protocol=ceph guest_as=as_root_in_folders
	in_guest boot ceph
	in_guest coherence ceph
	in_guest play ceph 2000 "$seed"
	in_machines again
	in_machines crash 5 --cut
	crash_points 50 50
	guest_as=
}

# MB: little, but for a debug kernel, and where the root lies in memory.
mixed_memory() {
	case $kernel in
	uml-debug) echo 2048 ;;
	uml*) echo 256 ;;
	*) echo 192 ;;
	esac
}

# What others find out with whether a filesystem keeps its bytes. In UML, as they take so long.
kernel_others() {
	for protocol in nfs 9p cifs; do
		run_test "kernel/uml-$protocol-stress" as_root_in_folders timeout -k 30 "$limit" \
			sh tests/kernel/stress.sh --timeout 3600 uml "${FSC_XFSTESTS-}" $protocol
		run_test "kernel/uml-$protocol-linux" as_root_in_folders timeout -k 30 "$limit" \
			sh tests/kernel/stress.sh --timeout 14400 --linux uml $protocol
	done
	for protocol in nfs afs; do
		run_figures "kernel/uml-$protocol-xfstests" \
			as_root_in_folders timeout -k 30 $((limit * 8)) \
			sh tests/kernel/xfstests.sh --protocol $protocol --timeout $((limit * 3)) \
			--keep "$build/long/kernel-xfstests-$protocol" uml "${FSC_XFSTESTS-}"
	done
}

kernel_scripts() { # of $kernel, $disk, $protocol
	in_guest boot "$protocol"
	in_guest coherence "$protocol"
	in_guest load "$protocol" 10
	in_guest play "$protocol" 5000 "$seed"
	in_guest control "$protocol"
	in_guest press "$protocol"
	in_guest memory "$protocol"
	[ "$protocol" != 9p ] || in_guest order
	case $kernel in
	uml* | 6.1) ;; # no tracepoints; another netfs library
	*) [ "$protocol" = afs ] || in_guest pieces "$protocol" ;;
	esac
	case $kernel in
	*-debug) kernel_faults ;;
	esac
	in_machines again
	in_machines crash 20
	case $kernel in
	uml*) crash_points 0 100 ;;
	*)
		in_machines crash 20 --cut
		crash_points 100 100
		guest_options=--poison
		in_guest play "$protocol" 2000 "$seed"
		in_guest load "$protocol" 4
		guest_options=
		;;
	esac
}

# Two CPUs that race, and functions that fail: so slow that it's for what only this can find.
kernel_x86_debug() {
	kernel=x86-debug disk=ext4
	for protocol in nfs 9p; do
		in_guest boot "$protocol"
		in_guest coherence "$protocol"
		in_guest load "$protocol" 2
		in_guest play "$protocol" 1000 "$seed"
		in_guest fault "$protocol" function
	done
}

# Failures where they are made on demand.
kernel_faults() {
	for what in memory disk; do
		in_guest fault "$protocol" "$what"
	done
	guest_options="--inject 4"
	in_guest boot "$protocol"
	in_guest coherence "$protocol"
	in_guest load "$protocol" 4
	in_guest play "$protocol" 2000 "$(date +%s)"
	guest_options=
}

# Of a long run that was stopped, those that were tried count.
crash_points() { # CUTS KILLS
	mkdir -p "$build/long"
	crash_name=kernel/$kernel-$disk-$protocol-cuts
	run_figures "$crash_name" $guest_as timeout -k 30 "$limit" \
		sh tests/kernel/cuts.sh --cache "$disk" --seed "$seed" \
		--state "$build/long/$(echo "$crash_name" | tr / -)" "$kernel" "$protocol" "$@"
}

guest_options=
guest_as=

in_guest() { # SCRIPT ARGUMENT...: with $guest_options of run.sh's
	guest=tests/kernel/guest/$1.sh name=kernel/$kernel-$disk-$protocol-$1$guest_options
	case $1 in
	fault | coherence) name=$name${3:+-$3} ;;
	esac
	shift
	# shellcheck disable=SC2086 # words
	run_test "$name" $guest_as timeout -k 30 "$limit" \
		sh tests/kernel/run.sh $guest_options --cache "$disk" --timeout 3600 "$kernel" "$guest" "$@"
}

in_machines() { # SCRIPT [ROUNDS [OPTION]]
	run_test "kernel/$kernel-$disk-$protocol-$1${3-}" $guest_as timeout -k 30 "$limit" \
		sh "tests/kernel/$1.sh" ${3:+"$3"} ${2:+--seed "$seed"} --cache "$disk" \
		"$kernel" "$protocol" ${2:+"$2"}
}

part_filesystems() {
	need_gcc_build || return
	for kind in ext4 ext4-nojournal xfs btrfs tmpfs; do
		run_test "filesystems/$kind" \
			as_root_if_possible timeout -k 30 "$limit" \
			sh tests/filesystems.sh "$kind" "$build/gcc"
	done
}

# In two lanes: these wait more than they compute. Whoever mounts is in the first, as these tests drop
# the kernel's caches, which others of them count.
part_e2e() {
	need_gcc_build || return
	mounts=
	others=
	for script in tests/e2e/*.sh; do
		name=$(basename "$script" .sh)
		case $name in
		lib | mount_lib) continue ;;
		mount_*) mounts="$mounts $name" ;;
		*) others="$others $name" ;;
		esac
	done
	# shellcheck disable=SC2086 # words
	run_e2e $others &
	# shellcheck disable=SC2086 # words
	run_e2e $mounts
	wait
	for name in $mounts $others; do
		judge "e2e/$name"
	done
}

run_e2e() { # NAME...
	for name in "$@"; do
		run_logged "e2e/$name" \
			as_root_if_possible timeout -k 30 "$limit" env FSC_LONG="$FSC_LONG" \
			FSC_XFSTESTS="${FSC_XFSTESTS-}" sh "tests/e2e/$name.sh" "$build/gcc"
	done
}

# Other people's tests of filesystems, on the mount: takes an hour, and a tree that isn't ours.
part_xfstests() {
	[ -n "$FSC_LONG" ] || return
	need_gcc_build || return
	mkdir -p "$build/long"
	run_figures xfstests as_root_if_possible timeout -k 30 "$limit" \
		bash tests/xfstests.sh "$build/gcc" "${FSC_XFSTESTS-}" --keep "$build/long/xfstests"
}

# The simulation: seeds that are the same each time, or new ones.
part_sim() {
	need_gcc_build || return
	for model in ordered strict volatile; do
		if [ -n "$FSC_LONG" ]; then
			run_figures "sim/$model" simulate_new "$model"
		else
			run_figures "sim/$model" "$build/gcc/tests/sim/fsc-sim" -j 2 --seeds 1..8000 \
				--model "$model"
		fi
	done
}

# In pieces, so that it can be stopped. What is done of 50,000 seeds, and where they began, is kept.
simulate_new() { # MODEL
	state=$build/long/sim-$1
	mkdir -p "$build/long"
	[ -s "$state" ] || echo "$(od -An -N5 -tu8 /dev/urandom | tr -d ' ') 0" >"$state"
	read -r base seeds <"$state"
	while [ "$seeds" -lt 50000 ]; do
		"$build/gcc/tests/sim/fsc-sim" -j 2 --model "$1" \
			--seeds "$((base + seeds))..$((base + seeds + 2499))" || return 1
		seeds=$((seeds + 2500))
		echo "$base $seeds" >"$state"
	done
	echo "$seeds new seeds from $base on"
}

# Are known mistakes found?
part_planted() {
	need_gcc_build || return
	if [ -n "$FSC_LONG" ]; then
		run_figures planted sh tests/planted/run.sh "$build/gcc" --median
	else
		run_figures planted timeout -k 30 "$limit" sh tests/planted/run.sh "$build/gcc"
	fi
}

# Killed, cut off, full and broken disks, on real filesystems; and for each a client with a mistake,
# which must be caught, or the rest means nothing.
part_crash() {
	need_gcc_build || return
	mkdir -p "$build/long"
	kills=15 cuts=15
	[ -z "$FSC_LONG" ] || kills=1000 cuts=300
	for kind in ext4 ext4-nojournal xfs btrfs; do
		crash "kill-$kind" kill.sh "$kind" "$kills"
		crash "cut-$kind" cut.sh "$kind" "$cuts"
	done
	for kind in ext4 xfs btrfs; do
		crash_once "full-$kind" full.sh "$kind"
	done
	for kind in ext4 xfs; do
		crash_once "shutdown-$kind" shutdown.sh "$kind"
	done
	crash_once control-kill kill.sh ext4 15 --planted
	crash_once control-cut-ext4 cut.sh ext4 15 --planted
	crash_once control-cut-btrfs cut.sh btrfs 15 --planted
	crash_once control-cut-nosync cut.sh ext4 40 --planted-nosync
	crash_once control-full full.sh ext4 --planted
	crash_once control-shutdown shutdown.sh ext4 --planted
}

crash() { # NAME SCRIPT KIND COUNT: takes up a long run where it was
	if [ -n "$FSC_LONG" ]; then
		crash_once "$@" --state "$build/long/$1"
	else
		crash_once "$@"
	fi
}

crash_once() { # NAME SCRIPT ARGUMENT...
	crash_name=$1 script=$2
	shift 2
	run_figures "crash/$crash_name" as_root_if_possible timeout -k 30 "$limit" \
		sh "tests/crash/$script" "$build/gcc" "$@"
}

# Bytes from outside, by libFuzzer: so many inputs a target, or so many seconds.
part_fuzz() {
	before=$failed
	run_test fuzz/build fuzz_build
	[ "$failed" = "$before" ] || return
	for target in record super map key object dir wire path mount conn; do
		if [ -n "$FSC_LONG" ]; then
			run_test "fuzz/$target" sh tests/fuzz/run.sh "$build/fuzz" 0 120 "$target"
		else
			run_test "fuzz/$target" sh tests/fuzz/run.sh "$build/fuzz" 100000 0 "$target"
		fi
	done
}

fuzz_build() {
	[ -f "$build/fuzz/build.ninja" ] ||
		CC=clang meson setup -Dfuzz=true "$build/fuzz" "$source" || return 1
	ninja -C "$build/fuzz" fuzz
}

# Of lib/, by the simulation and the fault loop alone.
part_coverage() {
	run_figures coverage sh tests/coverage.sh "$build/coverage"
}

# Debian's packages, built and installed in fresh Debians; what DKMS made there is booted.
part_package() {
	[ -n "$FSC_LONG" ] || return
	run_test package/debian as_root_if_possible timeout -k 30 "$limit" \
		sh tests/packaging.sh "$source" "$build/packages"
	for series in 6.1 6.12; do
		[ -f "$build/packages/libfscache-$series.ko" ] || {
			report skip "package/dkms-$series" "DKMS has made no module"
			continue
		}
		run_test "package/dkms-$series" timeout -k 30 "$limit" \
			sh tests/kernel/run.sh --module "$build/packages/libfscache-$series.ko" \
			--timeout 3600 "$series" tests/kernel/guest/boot.sh nfs
	done
}

# For parts that run what was built with gcc, when they are run alone.
need_gcc_build() {
	case $done_parts in
	*' build-gcc '*) return 0 ;;
	esac
	build_in gcc -Dwerror=true
}

# --- What to run -----------------------------------------------------------------------------

FSC_LONG=
patience=1
chosen=
for argument in "$@"; do
	case $argument in
	--list)
		# shellcheck disable=SC2086 # words
		printf '%s\n' $parts
		exit 0
		;;
	--packages)
		# shellcheck disable=SC2086 # words
		printf '%s\n' $packages
		exit 0
		;;
	--long)
		FSC_LONG=1
		packages="$packages $long_packages"
		patience=20
		limit=18000
		;;
	-*)
		echo "usage: sh tests/run.sh [--long] [PART...], --list or --packages; parts: $parts" >&2
		exit 2
		;;
	*)
		case " $parts " in
		*" $argument "*) chosen="$chosen $argument" ;;
		*)
			echo "there is no part '$argument', only: $parts" >&2
			exit 2
			;;
		esac
		;;
	esac
done
export FSC_LONG

# What a long run has done is worth something for the code that it was done with.
long_state_fits() {
	what=$({
		git rev-parse HEAD:lib HEAD:backends HEAD:include HEAD:examples HEAD:tests &&
			git diff HEAD -- lib backends include examples tests
	} 2>/dev/null || find lib backends include examples tests -type f -exec cksum {} + | sort)
	what=$(echo "$what" | cksum)
	[ "$(cat "$build/long/of" 2>/dev/null)" != "$what" ] || return 0
	[ ! -e "$build/long" ] || echo "the code has changed: what was done of the long run begins anew"
	rm -rf "$build/long" 2>/dev/null || as_root rm -rf "$build/long" || return 1
	mkdir -p "$build/long" && echo "$what" >"$build/long/of"
}

mkdir -p "$build/logs" || exit 1
[ -z "$FSC_LONG" ] || long_state_fits || exit 1
install_packages || {
	report fail install
	chosen=none
}

done_parts=' '
[ "$chosen" = none ] || for part in ${chosen:-$parts}; do
	started=$(date +%s)
	echo "--- $part"
	# each in this shell, so that it counts; what it sets for sanitizers harms no other
	"part_$(echo "$part" | tr - _)"
	echo "--- $part took $(($(date +%s) - started)) s"
	done_parts="$done_parts$part "
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
