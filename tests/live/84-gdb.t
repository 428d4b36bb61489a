#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Stacks of a stopped guest's vCPUs, also in an interrupt on top of a system call, against what gdb shows with the kernel's
# debug information, and at each instruction of entry code against who has called whom.
. "$(dirname "$0")/lib.sh"
: "${VLP_ROUNDS:=5}" "${VLP_STEPS:=30}"

command -v gdb > /dev/null && command -v socat > /dev/null || skip_all "there is no gdb, or no socat"
"$top/images/fetch-kernel" --debug "$(< "$VLP_KERNEL/version")" > /dev/null || skip_all "there is no debug information"
guest_start -c EPYC,-cx16 -a "apic_extnmi=all" -- -chardev "socket,id=gdb,path=$work/gdb.sock,server=on,wait=off" -gdb chardev:gdb
like "$(in_guest cat /sys/devices/system/cpu/vulnerabilities/spec_rstack_overflow)" "safe RET" "the kernel returns through thunks"
in_guest 'churn -n 1 > /run/churn 2>&1 &'
vlp -o json inspect "$qmp" || give_up "$err"
kaslr=$(sed -n 's/.*"kaslr_offset":"\(0x[0-9a-f]*\)".*/\1/p' <<< "$out")
TOOL=$VLP_BUILD/virt-livepatch GUEST=$qmp MONITOR=$guest/qmp.sock KASLR=$kaslr ROUNDS=$VLP_ROUNDS STEPS=$VLP_STEPS N_RESULTS=1 timeout 900 \
    gdb -nx -q -batch -ex "symbol-file -o $kaslr $VLP_KERNEL/vmlinux" -ex "target remote $work/gdb.sock" \
    -x "$top/tests/live/gdb-guest.py" -x "$top/tests/live/gdb-stacks.py" -x "$top/tests/live/gdb-steps.py" > "$work/gdb" 2> "$work/gdb.err"
grep -E '^(ok|not ok|#|1\.\.)' "$work/gdb" || give_up "gdb: $(tail -n 20 "$work/gdb.err")"
grep -q '^1\.\.' "$work/gdb" || give_up "gdb: $(tail -n 20 "$work/gdb.err")"
! grep -A 20 '^not ok' "$work/gdb" >&2
