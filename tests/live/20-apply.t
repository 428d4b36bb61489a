#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The main job: create, check, apply, view, verify, undo; the guest tells what it sees.
. "$(dirname "$0")/lib.sh"

text() { in_guest 'ktext | sha256sum'; }
uptime() { in_guest cat /proc/uptime; }

update_create "$top/images/demo/uptime.patch" uptime
update_create "$top/tests/live/patches/select.patch" select
vlp_exits 0 "show" show "$work/uptime.vlp"
like "$out" uptime_proc_show "names the function"

guest_start
before=$(text)
in_guest 'caller -n 2 /proc/uptime "[0-9]*.[0-9][0-9] [0-9]*.[0-9][0-9]" "* (idle time of 2 CPUs)" > /run/calls &'
vlp_exits 0 "view of a guest as it came" view "$qmp"
is "$out" "" "is empty"
vlp_exits 0 "check" check "$qmp" "$work/uptime.vlp"
is "$(text)" "$before" "changes nothing"

# A host that is busy with something else adds to what is reported, and nothing takes from it: the least of some tells.
for _ in 1 2 3 4 5; do
    ok "a witness watches" witness_start
    vlp_exits 0 "apply" -o json apply "$qmp" "$work/uptime.vlp"
    pause=$(sed -n 's/.*"pause_ns":\([0-9]*\).*"total_ns":\([0-9]*\).*"total_ns":\([0-9]*\).*/(\1 + \2 + \3) \/ 1000/p' <<< "$out")
    pause=$((pause))
    read -r stood error < <(witness_stop)
    ok "the reported pauses ($pause us) are not less than what the guest saw ($stood us, +- $error)" test $((stood - pause)) -le $((error + 100))
    [ "$pause" -gt $((2 * stood + 4000)) ] || break
    vlp_exits 0 "undo" undo "$qmp" "$(< "$work/uptime.id")"
done
ok "and not much more" test "$pause" -le $((2 * stood + 4000))
like "$(uptime)" '\(idle time of 2 CPUs\)$' "the guest runs the new code"
like "$(in_guest tail -n 1 /run/calls)" 'caller: ' "callers go on"
vlp_exits 0 "view" -o json view "$qmp"
id=$(sed -n 's/.*"id":"\([a-z2-7]*\)".*/\1/p' <<< "$out")
is "$id" "$(< "$work/uptime.id")" "shows the id that create printed"
like "$(in_guest dmesg)" "virt-livepatch: update $id applied" "the guest's own log tells of it"
vlp_exits 0 "verify" verify "$qmp"
like "$out" "$id  intact" "finds all of it intact"
vlp_exits 4 "applying it twice" apply "$qmp" "$work/uptime.vlp"
like "$err" "installed already" "is refused"

ok "the function can still be traced" in_guest 'cd /sys/kernel/tracing && echo uptime_proc_show > set_ftrace_filter &&
    echo function > current_tracer && cat /proc/uptime > /dev/null && grep -q uptime_proc_show trace &&
    grep -q CPUs /proc/uptime && echo nop > current_tracer'

ok "and probed" in_guest 'cd /sys/kernel/tracing && echo "p:vlp uptime_proc_show" > kprobe_events &&
    echo 1 > events/kprobes/vlp/enable && cat /proc/uptime | grep -q CPUs && echo 0 > events/kprobes/vlp/enable &&
    grep -q "vlp: (uptime_proc_show" trace && echo > kprobe_events'
vlp_exits 0 "a second update, of another function" apply --no-log --settle 0 "$qmp" "$work/select.vlp"
vlp_exits 0 "verify both" verify "$qmp"
is "$(grep -c intact <<< "$out")" 2 "are intact"
vlp_exits 0 "undo of the first" undo "$qmp" "$id"
unlike "$(uptime)" CPUs "the guest runs the old code"
like "$(in_guest dmesg)" "virt-livepatch: update $id undone" "its log tells of that"
vlp_exits 0 "undo of the second" undo --no-log "$qmp" "$(< "$work/select.id")"
unlike "$(in_guest dmesg)" "virt-livepatch: update $(< "$work/select.id")" "but of nothing that it was not to tell of"
is "$(text)" "$before" "the kernel's text is what it was"
vlp_exits 1 "undo of what is not there" undo "$qmp" "$id"

# A task asleep in the function
in_guest 'sleeper select > /run/sleeper & until [ -s /run/sleeper ]; do :; done'
pid=$(in_guest 'cut -d " " -f 2 /run/sleeper')
until in_guest "grep -q core_sys_select /proc/$pid/stack"; do :; done
vlp_exits 3 "check while a task sleeps in the function" check "$qmp" "$work/select.vlp"
vlp_exits 3 "apply while a task sleeps in the function" apply --timeout 1 "$qmp" "$work/select.vlp"
like "$err" "sleeper \(pid $pid\) is in core_sys_select, at core_sys_select\+0x" "says who and where"
is "$(text)" "$before" "and changes nothing"
in_guest "kill $pid; while kill -0 $pid 2> /dev/null; do :; done"
vlp_exits 0 "apply when it has left" apply --settle 0 "$qmp" "$work/select.vlp"

# The new code is as hard to take out as the old was to replace.
in_guest 'rm /run/sleeper; sleeper select > /run/sleeper & until [ -s /run/sleeper ]; do :; done'
pid=$(in_guest 'cut -d " " -f 2 /run/sleeper')
until in_guest "grep -q do_select /proc/$pid/stack"; do :; done
vlp_exits 3 "undo while a task sleeps in the new code" undo --timeout 1 "$qmp" "$(< "$work/select.id")"
like "$err" "sleeper \(pid $pid\) is in core_sys_select" "says who"
in_guest "kill $pid; while kill -0 $pid 2> /dev/null; do :; done"
vlp_exits 0 "undo when it has left" undo "$qmp" "$(< "$work/select.id")"
is "$(text)" "$before" "the kernel's text is what it was"

# Of very many tasks, a pause looks at few.
in_guest 'rm /run/sleeper; crowd 1500 > /run/crowd & until [ -s /run/crowd ]; do sleep 0.1; done'
in_guest 'sleeper select > /run/sleeper & until [ -s /run/sleeper ]; do :; done'
pid=$(in_guest 'cut -d " " -f 2 /run/sleeper')
until in_guest "grep -q core_sys_select /proc/$pid/stack"; do :; done
vlp_exits 3 "apply while one of 1,500 tasks sleeps in the function" apply --timeout 1 "$qmp" "$work/select.vlp"
like "$err" "sleeper \(pid $pid\) is in core_sys_select" "says who"
in_guest "kill $pid; while kill -0 $pid 2> /dev/null; do :; done"
vlp_exits 0 "apply when it has left" -o json apply --settle 0 --timeout 60 "$qmp" "$work/select.vlp"
[[ $out =~ \"pause_stacks\":([0-9]+) ]]
ok "the pause went to few of them (${BASH_REMATCH[1]})" test "${BASH_REMATCH[1]}" -lt 500
vlp_exits 0 "undo" undo --timeout 60 "$qmp" "$(< "$work/select.id")"
in_guest 'killall crowd; while killall -0 crowd 2> /dev/null; do sleep 0.1; done'
is "$(text)" "$before" "the kernel's text is what it was"
in_guest 'killall caller 2> /dev/null; while killall -0 caller 2> /dev/null; do sleep 0.1; done'
unlike "$(in_guest cat /run/calls)" unexpected "no caller ever saw anything but the old or the new answer"
ok "the guest is well" guest_is_well
done_testing
