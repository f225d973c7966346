# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# planted.sh KIND - a mistake is made (see ../planted.sh), and the script ends well: what is wrong is
# for the kernel to find.
# shellcheck shell=sh

. /guest/lib.sh

echo 5 >/proc/sys/kernel/hung_task_timeout_secs
insert fsc_planted /guest/libfscache.ko "kind=$1" || die "no such mistake: $1"
rmmod fsc_planted || fail "the module can't be removed"
finish
