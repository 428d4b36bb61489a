#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# New code is code that the guest's kernel knows: what faults in it, sleeps in it or warns in it is told as of the
# kernel's own, without the guest having been asked to load anything.
. "$(dirname "$0")/lib.sh"

text() { in_guest 'ktext | sha256sum'; }
known() { in_guest 'cat /proc/modules /proc/kallsyms | grep -v __builtin__ | sha256sum'; }

# The functions on a task's stack, as the guest itself sees them, without offsets.
stack_of() { in_guest "cat /proc/$1/stack" | sed 's/^\[<0>\] //; s/+0x[^ ]*//'; }

# sleeper_start: a task sleeps in select(); sets $pid.
sleeper_start() {
    in_guest 'rm -f /run/sleeper; sleeper select > /run/sleeper & until [ -s /run/sleeper ]; do :; done'
    pid=$(in_guest 'cut -d " " -f 2 /run/sleeper')
    until in_guest "grep -q do_select /proc/$pid/stack"; do :; done
}

# How many frames the guest's reliable unwinder finds, which tells nothing of a stack that it is not sure of.
reliable_stack_of() {
    local task
    task=$("$VLP_BUILD/tests/live/run-in-guest" "$qmp" 60 find_get_task_by_vpid "$1" | cut -d ' ' -f 1)
    "$VLP_BUILD/tests/live/run-in-guest" "$qmp" 60 stack_trace_save_tsk_reliable "$task" "=$(printf %512s)" 64 |
        cut -d ' ' -f 1
}

# version [WORD]: what the new code of /proc/version says, when it has been told that word.
version() {
    in_guest "echo ${1:-} > /proc/sys/kernel/domainname; tail -n 1 /proc/version"
}

# How many lines for debugging an event brings.
uevent() {
    in_guest 'dmesg -c > /dev/null; echo change > /sys/devices/system/cpu/cpu0/uevent; dmesg | grep -c "patched kobject"'
}

sleeper_stop() { in_guest "kill $pid; while kill -0 $pid 2> /dev/null; do :; done"; }

# agree: all of it, for $VLP_KERNEL.
agree() {
    update_create "$top/tests/live/patches/readdir.patch" readdir
    update_create "$top/tests/live/patches/select.patch" select
    update_create "$top/tests/live/patches/constructs.patch" constructs
    like "$err" "version_proc_show gets a pr_debug\(\) .* stays off" "says what it cannot do"
    make_patch uevent lib/kobject_uevent.c '/^int kobject_uevent_env/,/^}/s/("kobject: .%s. (%p): %s\\n"/("patched kobject: %s (%p): %s\\n"/'
    update_create "$work/uevent.patch" uevent
    readdir=$(< "$work/readdir.id") select=$(< "$work/select.id")

    guest_start -k "$VLP_KERNEL" -i "$("$top/images/mkinitramfs" --modules dummy "$VLP_KERNEL")"
    in_guest 'mkdir -p /tmp/d /tmp/bug && touch /tmp/bug/vlp-bug && cd /tmp/d && touch a b vlp-hidden; rmmod dummy' > /dev/null
    sleeper_start
    stack_before=$(stack_of "$pid") reliable_before=$(reliable_stack_of "$pid")
    sleeper_stop
    text_before=$(text) known_before=$(known)

    vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/readdir.vlp"
    for name in select constructs uevent; do
        vlp_exits 0 "apply another" apply --settle 0 "$qmp" "$work/$name.vlp"
    done
    vlp_exits 0 "verify" verify "$qmp"
    is "$(grep -c intact <<< "$out")" 4 "finds all intact"
    like "$(in_guest grep vlp_$readdir /proc/modules)" "^vlp_$readdir [0-9]+ 1 \[permanent\], Live 0x" "the guest lists the code as a module"
    like "$(in_guest "grep vlp_$readdir /proc/kallsyms")" "^[0-9a-f]+ t filldir64\.vlp[[:space:]]\[vlp_$readdir\]" "and its functions"
    unlike "$(in_guest ls /tmp/d)" vlp-hidden "the guest runs the new code"
    is "$(in_guest faulter /tmp/d | tr '\n' ' ')" "listed EFAULT EFAULT " "an access to user memory that faults is an error"

    ok "probes by name still find the kernel's own function" in_guest 'cd /sys/kernel/tracing &&
        echo "p:vlp filldir64" > kprobe_events && echo > kprobe_events'
    ok "the guest can load and unload modules" in_guest 'modprobe dummy && grep -q ^dummy /proc/modules && rmmod dummy'
    ok "but not unload this" in_guest "! rmmod vlp_$readdir 2> /dev/null && grep -q ^vlp_$readdir /proc/modules"

    # What is switched while the guest runs
    is "$(version)" "off_key 0, on_key 1, call 1, traced 0" "static keys, a static call and a tracepoint of its own are as defined"
    version second > /dev/null
    is "$(version)" "off_key 1, on_key 0, call 2, traced 14" "and as the kernel has been asked to switch them"
    vlp_exits 0 "verify" verify "$qmp"
    version first > /dev/null
    is "$(version)" "off_key 0, on_key 1, call 1, traced 14" "and back"
    in_guest 'echo 1 > /sys/kernel/tracing/events/task/task_rename/enable'
    version > /dev/null
    like "$(in_guest 'cat /sys/kernel/tracing/trace; echo 0 > /sys/kernel/tracing/events/task/task_rename/enable')" \
        "task_rename: .*newcomm=version" "a tracepoint of the kernel's that is enabled afterwards"
    uevent > /dev/null
    is "$(uevent)" 0 "what is for debugging is not printed"
    in_guest 'echo "func kobject_uevent_env +p" > /sys/kernel/debug/dynamic_debug/control'
    isnt "$(uevent)" 0 "but is when it is switched on"
    in_guest 'echo "func kobject_uevent_env -p" > /sys/kernel/debug/dynamic_debug/control'

    # Backtraces
    sleeper_start
    stack=$(stack_of "$pid")
    is "$stack" "$(sed "s/^core_sys_select$/core_sys_select.vlp [vlp_$select]/" <<< "$stack_before")" \
        "a task asleep in the new code has a whole stack"
    is "$(reliable_stack_of "$pid")" "$reliable_before" "and to the guest's reliable unwinder as well"
    vlp_exits 0 "stack" stack "$qmp" "$pid"
    is "$(sed -n 's/^\[<0>\] //p' <<< "$out" | sed 's/+0x[^ ]*//')" "$stack" "is the same"
    sleeper_stop
    in_guest 'dmesg -c > /dev/null; touch /tmp/d/vlp-warn'
    is "$(in_guest ls /tmp/d | tr '\n' ' ')" "a b vlp-warn " "execution goes on after a warning"
    warning=$(in_guest dmesg)
    like "$warning" "WARNING: .* at fs/readdir\.c:[0-9]+ filldir64\.(cold\.)?vlp\+0x[0-9a-f]+/0x[0-9a-f]+ \[vlp_$readdir\]" \
        "which says file, line, function and update"
    like "$warning" "\]  filldir64\.(cold\.)?vlp\+0x[0-9a-f]+/0x[0-9a-f]+ \[vlp_$readdir\]" "and whose backtrace goes through it"
    like "$warning" '\]  __x64_sys_getdents64\+0x' "to the system call"
    in_guest rm /tmp/d/vlp-warn

    # Undo
    vlp_exits 0 "undo in the same order" undo "$qmp" "$readdir"
    vlp_exits 0 "undo the others" undo --all "$qmp"
    is "$(text)" "$text_before" "the kernel's text is what it was"
    is "$(known)" "$known_before" "and so are its modules and symbols"
    like "$(in_guest ls /tmp/d)" vlp-hidden "the guest runs the old code"

    # Where nothing can be loaded any more
    in_guest 'echo 1 > /proc/sys/kernel/modules_disabled'
    vlp_exits 0 "apply where modules are disabled" apply --settle 0 "$qmp" "$work/readdir.vlp"
    ok "somebody probes the new code" in_guest "cd /sys/kernel/tracing &&
        echo 'p:vlp vlp_$readdir:filldir64.vlp' > kprobe_events && echo 1 > events/kprobes/vlp/enable && ls /tmp/d > /dev/null &&
        grep -q 'vlp: (filldir64.vlp' trace"
    vlp_exits 4 "undo of what is probed" undo "$qmp" "$readdir"
    like "$err" "filldir64" "says where"
    in_guest 'cd /sys/kernel/tracing; echo 0 > events/kprobes/vlp/enable; echo > kprobe_events'
    in_guest 'dmesg -c > /dev/null; touch /tmp/d/vlp-oops; ls /tmp/d' > /dev/null 2>&1
    oops=$(in_guest dmesg)
    like "$oops" "RIP: 0010:filldir64\.vlp\+0x[0-9a-f]+/0x[0-9a-f]+ \[vlp_$readdir\]" "an oops in the new code says where"
    like "$oops" "Modules linked in: vlp_$readdir" "and that it is there"
    in_guest 'dmesg -c > /dev/null; ls /tmp/bug' > /dev/null 2>&1
    like "$(in_guest dmesg)" "kernel BUG at fs/readdir\.c:[0-9]+!.*RIP: 0010:filldir64\.(cold\.)?vlp\+0x" "and a BUG() its file and line"
    vlp_exits 0 "undo" undo "$qmp" "$readdir"
    is "$(text)" "$text_before" "the kernel's text is what it was"
    is "$(known)" "$known_before" "and so are its modules and symbols"
    "$top/images/stop-guest" "$guest"
}

for VLP_KERNEL in "$VLP_KERNEL" "$("$top/images/fetch-kernel" --suite bookworm-backports 6.12)"; do
    agree
done
done_testing
