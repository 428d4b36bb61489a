#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the tool says of a running guest's kernel, against what the guest itself says.
. "$(dirname "$0")/lib.sh"

# stacks_of_guest: every task's stack as the guest tells it, headed by its number and how often it has been switched out.
stacks_of_guest() {
    in_guest 'for task in /proc/[0-9]*/task/[0-9]*; do
        echo "== ${task##*/} $(sed -n "s/.*ctxt_switches:\t//p" $task/status | tr "\n" " ")"; cat $task/stack
    done 2> /dev/null; true'
}

# tasks_of_guest: pid, state and name of every task as the guest tells them, after how often it has been switched out: a
# kernel worker takes other names meanwhile.
tasks_of_guest() {
    in_guest 'for p in /proc/[0-9]*; do
        echo "$(sed -n "s/.*ctxt_switches:\t//p" $p/status | tr "\n" " ")|" \
            "$(sed "s/^\([0-9]*\) (\(.*\)) \(.\) .*/\1 \3 \2/" $p/stat)"
    done 2> /dev/null; true' | sort
}

# one_line_each FILE: each task's stack as one line, so that they can be compared as sets.
one_line_each() {
    awk '/^== / { if (line) print line; line = substr($0, 4); next } { line = line "| " $0 } END { print line }' "$1" | sort
}

guest_start
vlp_exits 0 "inspect" inspect "$qmp"
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
is "$(grep -oE '"name":"[^"]*","size":[0-9]+,"base":"0x[0-9a-f]+"' <<< "$out" | tr -d '"' |
      sed 's/name:\(.*\),size:\(.*\),base:\(.*\)/\1 \2 \3/')" \
   "$(in_guest 'cut -d " " -f 1,2,6 /proc/modules')" "the modules, their sizes and addresses"

in_guest cat /proc/kallsyms | sort > "$work/guest"
vlp_exits 0 "symbols" symbols "$qmp"
ok "all symbols, of vmlinux and of modules, equal /proc/kallsyms" diff "$work/guest" <(sort "$work/out")
vlp_exits 0 "symbols with a pattern" symbols "$qmp" 'uptime_proc_*'
is "$out" "$(in_guest "grep ' uptime_proc_' /proc/kallsyms" | sort)" "lists what matches"

# A task that came, went or ran between the two looks of the guest itself differs in them, and is not compared.
stacks_of_guest > "$work/before"
vlp_exits 0 "stack" stack "$qmp"
stacks_of_guest > "$work/after"
sed '/^vCPU/,$d; s/^task \([0-9]*\) .*/== \1 /' "$work/out" > "$work/tool"
comm -12 <(one_line_each "$work/before") <(one_line_each "$work/after") | sed 's/^\([0-9]* \)[0-9 ]*|/\1|/' |
    grep '| ' | sort > "$work/settled"
is "$(comm -23 "$work/settled" <(one_line_each "$work/tool"))" "" "the stacks of sleeping tasks equal /proc/PID/stack"
ok "and there are many" test "$(wc -l < "$work/settled")" -gt 30
is "$(grep -c '^vCPU' "$work/out")" 2 "and each vCPU has one"

in_guest 'sleeper pipe > /run/sleeper & until [ -s /run/sleeper ]; do :; done'
pid=$(in_guest 'cut -d " " -f 2 /run/sleeper')
until in_guest "grep -q pipe_read /proc/$pid/stack"; do :; done
vlp_exits 0 "stack of one task" stack "$qmp" "$pid"
is "$(tail -n +2 <<< "$out")" "$(in_guest "cat /proc/$pid/stack")" "is what the guest says of it"
vlp_exits 1 "stack of a task that does not exist" stack "$qmp" 99999

tasks_of_guest > "$work/before"
vlp_exits 0 "tasks" tasks "$qmp"
tasks_of_guest > "$work/after"
tail -n +2 "$work/out" | sed 's/^ *\([0-9]*\) \(.\) *[0-9]* /\1 \2 /' | sort > "$work/tool"
comm -12 "$work/before" "$work/after" | sed -n 's/^[^|]*| \(.\)/\1/p' | sort > "$work/settled"
is "$(comm -23 "$work/settled" "$work/tool")" "" "pid, state and name of the tasks equal /proc/PID/stat"
ok "and there are many" test "$(wc -l < "$work/settled")" -gt 40

for command in tasks stack symbols; do
    vlp -o json "$command" "$qmp"
    ok "$command has JSON" perl -MJSON::PP -0777 -ne 'decode_json($_)' "$work/out"
done
ok "the guest is well" guest_is_well
done_testing
