#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the tool says of a running guest's kernel, against what the guest itself says.
. "$(dirname "$0")/lib.sh"
. "$top/tests/live/views.sh"

guest_start
vlp_exits 0 "inspect" inspect "$qmp"
unlike "$out" 'no lock prefixes' "with two CPUs, lock prefixes are there"
like "$out" "kernel: +$(in_guest uname -r)" "the release is uname -r's"
like "$out" "version: +$(in_guest uname -v | sed 's/[().#]/\\&/g')" "the version is uname -v's"
notes=$(in_guest 'hexdump -ve "/1 \"%02x\"" /sys/kernel/notes')
vlp -o json inspect "$qmp"
build_id=$(sed -n 's/.*"build_id":"\([0-9a-f]*\)".*/\1/p' <<< "$out")
like "$build_id" '^[0-9a-f]{40}$' "there is a build-id"
like "$notes" "$build_id" "and it is in the guest's own notes"
text=$(sed -n 's/.*"text":"0x\([0-9a-f]*\)".*/\1/p' <<< "$out")
is "$text" "$(in_guest "grep ' T _text$' /proc/kallsyms" | cut -d ' ' -f 1)" "the kernel's text is where the guest says"
is "$(sed -n 's/.*"vcpus":\([0-9]*\).*/\1/p' <<< "$out")" "$(in_guest nproc)" "so many vCPUs"
ok "the modules, their sizes and addresses equal /proc/modules" modules_agree
ok "all symbols, of vmlinux and of modules, equal /proc/kallsyms" symbols_agree
vlp_exits 0 "symbols with a pattern" symbols "$qmp" 'uptime_proc_*'
is "$out" "$(in_guest "grep ' uptime_proc_' /proc/kallsyms" | sort)" "lists what matches"

ok "pid, state, name and, of those that sleep, stack of every task are what the guest says" tasks_agree
vlp_exits 0 "stack" stack "$qmp"
is "$(grep -c '^vCPU' "$work/out")" 2 "each vCPU has one"

in_guest 'sleeper pipe > /run/sleeper & until [ -s /run/sleeper ]; do :; done'
pid=$(in_guest 'cut -d " " -f 2 /run/sleeper')
until in_guest "grep -q pipe_read /proc/$pid/stack"; do :; done
vlp_exits 0 "stack of one task" stack "$qmp" "$pid"
is "$(tail -n +2 <<< "$out")" "$(in_guest "cat /proc/$pid/stack")" "is what the guest says of it"
vlp_exits 1 "stack of a task that does not exist" stack "$qmp" 99999

spinners=$(in_guest 'for i in 1 2 3 4 5; do sh -c "while :; do :; done" & echo $!; done' | sort -n)
runnable=$("$VLP_BUILD/tests/live/runnable" "$qmp" 1 | tr ' ' '\n' | sort -n)
is "$(comm -12 <(sort <<< "$spinners") <(sort <<< "$runnable") | sort -n)" "$spinners" \
    "tasks that want to run are found where the scheduler has them"
in_guest "kill $(xargs <<< "$spinners")"

for command in tasks stack symbols; do
    vlp -o json "$command" "$qmp"
    ok "$command has JSON" perl -MJSON::PP -0777 -ne 'decode_json($_)' "$work/out"
done
ok "the guest is well" guest_is_well
done_testing
