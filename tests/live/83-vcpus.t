#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Stacks as the kernel itself unwinds them, where others have put something in between: BPF programs, tracers, kretprobes.
# Of sleeping tasks, the guest says them in /proc/PID/stack. Of what a vCPU does, a paused guest can say nothing; but with an
# NMI waiting for it when it goes on, its kernel says where that came, which is where it stood. VLP_ROUNDS says how often
# that is done, VLP_RELEASES to which kernels.
. "$(dirname "$0")/lib.sh"
. "$top/tests/live/views.sh"
: "${VLP_ROUNDS:=1}" "${VLP_RELEASES:=5.10 6.1 6.12 newest}"

command -v socat > /dev/null || skip_all "there is no socat"

tracing() { in_guest "cd /sys/kernel/tracing && $1"; }

# nmi_agrees: pauses the guest, asks the tool where its vCPUs stand, and lets the kernel answer the same. What it says in an
# NMI is in its log for good when that CPU has run something else.
nmi_agrees() {
    "$VLP_BUILD/tests/live/poke" "$qmp" backtrace_mask 3 || return
    monitor_does '{"execute":"stop"}' STOP && vlp -o json stack "$qmp" && cp "$work/out" "$work/stacks" ||
        { echo "$err"; return 1; }
    monitor_does '{"execute":"inject-nmi"}{"execute":"cont"}' RESUME || return
    in_guest 'taskset 1 true; taskset 2 true; dmesg -c' > "$work/dmesg"
    perl "$top/tests/live/vcpus.pl" "$work/stacks" "$work/dmesg" "$work/symbols"
}

rounds() {
    local round
    for round in $(seq "$VLP_ROUNDS"); do
        nmi_agrees > "$work/said" || { echo "round $round:"; cat "$work/said"; return 1; }
        sed -n 's/^was at: //p' "$work/said" >> "$work/kinds"
    done
}

# vcpus_agree NAME
vcpus_agree() {
    : > "$work/kinds"
    ok "$release: vCPUs, $1: all of $VLP_ROUNDS times" rounds
    diag "$release: $1: $(sort "$work/kinds" | uniq -c | awk '{ printf "%s%s", sep, $0; sep = "," }' | tr -s ' ')"
}

# sleeper_start: sets $pid to that of a task that sleeps in the middle of reading from a pipe.
sleeper_start() {
    pid=$(in_guest 'rm -f /run/sleeper; sleeper pipe > /run/sleeper & until [ -s /run/sleeper ]; do :; done
        cut -d " " -f 2 /run/sleeper')
    in_guest "until grep -q ' S ' /proc/$pid/stat; do sleep 0.1; done"
}

# stack_of_sleeper: sets $said to what the guest says of it, $found to what the tool says.
stack_of_sleeper() {
    said=$(in_guest "cat /proc/$pid/stack")
    vlp stack "$qmp" "$pid"
    found=$(tail -n +2 <<< "$out")
}

# The kernel itself finds its way through the trampolines of kretprobes since 5.16, and never if the function graph tracer has
# replaced the same return address.
traced_sleepers_agree() {
    local plain
    sleeper_start
    stack_of_sleeper
    is "$found" "$said" "$release: a sleeping task, untraced"
    plain=$found
    in_guest 'mkfifo /run/ask; fentry fexit vfs_read <> /run/ask > /run/fexit 2>&1 &
        until grep -q . /run/fexit; do sleep 0.1; done; grep attached /run/fexit' || give_up "there is no BPF"
    sleeper_start
    stack_of_sleeper
    is "$found" "$said" "$release: beneath a BPF trampoline"
    like "$found" 'bpf_trampoline_[0-9_]*\+0x' "$release: which is there"
    unlike "$out" '\[<0>\] \?|not unwound' "$release: and certain"
    in_guest 'killall fentry; while killall -0 fentry 2> /dev/null; do sleep 0.1; done'
    tracing 'echo "r:a vfs_read" > kprobe_events && echo "r:b vfs_read" >> kprobe_events &&
        echo "r:c ksys_read" >> kprobe_events && echo 1 > events/kprobes/enable' || give_up "there are no kretprobes"
    sleeper_start
    stack_of_sleeper
    is "$found" "$plain" "$release: beneath three kretprobes, the true addresses"
    unlike "$out" '\[<0>\] \?|not unwound' "$release: which are certain"
    case ${release%%-*} in
        5.10.*) diag "$release: its own unwinder ends at: $(tail -n 1 <<< "$said")" ;;
        *) is "$found" "$said" "$release: as it says itself" ;;
    esac
    tracing 'echo "vfs_read ksys_read" > set_ftrace_filter && echo function_graph > current_tracer'
    sleeper_start
    stack_of_sleeper
    is "$found" "$plain" "$release: beneath kretprobes and the function graph tracer on the same functions"
    tracing 'echo 0 > events/kprobes/enable; echo > kprobe_events'
    sleeper_start
    stack_of_sleeper
    is "$found" "$said" "$release: beneath the function graph tracer alone"
    tracing 'echo nop > current_tracer; echo > set_ftrace_filter'
    in_guest 'killall sleeper'
}

# kernel_agrees RELEASE
kernel_agrees() {
    local kernel
    kernel=$("$top/images/fetch-kernel" "$1") || give_up "there is no kernel $1"
    guest_start -k "$kernel" -a "apic_extnmi=all"
    release=$(in_guest uname -r)
    vlp symbols "$qmp" && cp "$work/out" "$work/symbols" || give_up "$err"
    traced_sleepers_agree
    in_guest 'echo Y > /sys/module/nmi_backtrace/parameters/backtrace_idle; dmesg -c > /dev/null
        churn -n 3 > /run/churn 2>&1 &'
    vcpus_agree "at work"
    in_guest 'killall churn; fentry fentry uptime_proc_show 3000 <> /run/ask > /run/fentry 2>&1 &
        until grep -q . /run/fentry; do sleep 0.1; done; grep attached /run/fentry &&
        for cpu in 0 1; do while read -r line < /proc/uptime; do :; done & done' || give_up "there is no BPF"
    vcpus_agree "in a BPF program"
    tracing 'echo "vfs_* kmem_cache_* __alloc_pages*" > set_ftrace_filter; echo function > current_tracer &&
        echo "r:a vfs_read" > kprobe_events && echo 1 > events/kprobes/enable'
    ok "$release: all symbols, of generated code too, equal /proc/kallsyms" symbols_agree
    ok "$release: of which there are some" grep -q '\[__builtin__ftrace\]' "$work/guest"
    vcpus_agree "traced"
    tracing 'echo function_graph > current_tracer'
    vcpus_agree "graphed"
    ok "$release: the guest is well" guest_lives
    "$top/images/stop-guest" "$guest"
}

# Its log is full of backtraces.
guest_lives() { ! grep -aE "$trouble" "$guest/console.log" && in_guest -t 30 true; }

# shellcheck disable=SC2086  # a list of words
in_two_lanes kernel_agrees $VLP_RELEASES
done_testing
