#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In company: tracers, kprobes, BPF programs and the kernel's own livepatch on functions that we patch, before and after us.
. "$(dirname "$0")/lib.sh"

text() { in_guest 'ktext | sha256sum'; }
uptime() { in_guest 'cut -d " " -f 3- /proc/uptime'; }
tracing() { in_guest "cd /sys/kernel/tracing && $1"; }
apply() { vlp_exits 0 "apply $1" apply --settle 0 --timeout 60 "$qmp" "$work/uptime.vlp" && is "$(uptime)" new "the new code is in force"; }
undo() { vlp_exits 0 "undo $1" undo --timeout 60 "$qmp" "$(< "$work/uptime.id")" && is "$(uptime)" "" "the old code is in force"; }

# livepatch_build: makes $VLP_KERNEL/livepatch-sample.ko, the kernel's own example, once; without versions of symbols,
# which only a build of the whole kernel knows.
livepatch_build() {
    local release
    release=$(< "$VLP_KERNEL/release")
    [ ! -e "$VLP_KERNEL/livepatch-sample.ko" ] || return 0
    mkdir "$work/kbuild" "$work/klp"
    cp "$VLP_KERNEL/config" "$work/kbuild/.config"
    cp "$VLP_KERNEL/source/samples/livepatch/livepatch-sample.c" "$work/klp"
    echo 'obj-m := livepatch-sample.o' > "$work/klp/Makefile"
    make -s -C "$VLP_KERNEL/source" O="$work/kbuild" olddefconfig &&
        make -s -j2 -C "$VLP_KERNEL/source" O="$work/kbuild" KERNELRELEASE="$release" modules_prepare &&
        make -s -C "$work/kbuild" M="$work/klp" KERNELRELEASE="$release" KBUILD_MODPOST_WARN=1 modules &&
        objcopy --rename-section __versions=.discarded "$work/klp/livepatch-sample.ko" "$VLP_KERNEL/livepatch-sample.ko.$$" &&
        mv "$VLP_KERNEL/livepatch-sample.ko.$$" "$VLP_KERNEL/livepatch-sample.ko"
}

# fentry_start KIND: a BPF program at uptime_proc_show from now on; fentry_count: how often it ran.
fentry_start() {
    in_guest "rm -f /run/ask /run/$1; mkfifo /run/ask; fentry $1 uptime_proc_show <> /run/ask > /run/$1 2>&1 &
        until grep -q . /run/$1; do :; done; grep attached /run/$1"
}
fentry_count() {
    in_guest "n=\$(wc -l < /run/$1); echo > /run/ask; until [ \$(wc -l < /run/$1) -gt \$n ]; do :; done; tail -n 1 /run/$1"
}
fentry_stop() { in_guest 'killall fentry; while killall -0 fentry 2> /dev/null; do :; done'; }

# kprobe_inside FROM: sets a kprobe at the first instruction of uptime_proc_show from offset FROM on; prints the offset.
kprobe_inside() {
    tracing "for at in \$(seq $1 $(($1 + 15))); do
        echo \"p:inside uptime_proc_show+\$at\" > kprobe_events 2> /dev/null && echo \$at && exit 0
    done; exit 1"
}
hits() { tracing "sed -n 's/^ *$1 *\([0-9]*\) .*/\1/p' kprobe_profile"; }

make_patch uptime fs/proc/uptime.c 's/%02lu\\n/%02lu new\\n/'
make_patch cmdline fs/proc/cmdline.c 's/seq_putc(m, /seq_putc(m, 33); &/'
update_create "$work/uptime.patch" uptime
update_create "$work/cmdline.patch" cmdline
livepatch_build > "$work/livepatch.log" 2>&1
klp=$?
guest_start
before=$(text)

# --- Kprobes inside the function
at=$(kprobe_inside 20)
ok "a kprobe is set inside the function (+$at)" test -n "$at"
vlp_exits 4 "apply when there is a kprobe inside, not even switched on" apply "$qmp" "$work/uptime.vlp"
like "$err" "kprobe at uptime_proc_show\+0x" "is refused, with its place"
tracing 'echo 1 > events/kprobes/inside/enable'
vlp_exits 4 "apply when it is switched on" apply "$qmp" "$work/uptime.vlp"
like "$err" "uptime_proc_show is not the code.*somebody has set a kprobe there" "is refused too"
tracing 'echo 0 > events/kprobes/inside/enable; echo > kprobe_events'
apply "when it is gone"
at=$(kprobe_inside 5)
ok "a kprobe is set on the jump (+$at)" test "$at" = 5
tracing 'echo 1 > events/kprobes/inside/enable'
is "$(uptime)" new "the new code is in force"
ok "and the kprobe is hit" test "$(hits inside)" -gt 0
vlp_exits 4 "undo when there is a kprobe on the jump" undo "$qmp" "$(< "$work/uptime.id")"
like "$err" "kprobe at uptime_proc_show\+0x5" "is refused, with its place"
tracing 'echo 0 > events/kprobes/inside/enable'
vlp_exits 4 "undo when it is switched off" undo "$qmp" "$(< "$work/uptime.id")"
tracing 'echo > kprobe_events'
at=$(kprobe_inside 20)
echo "# the kernel takes a kprobe in the code that is replaced: ${at:-no}"
[ -z "$at" ] || tracing 'echo 1 > events/kprobes/inside/enable'
undo "when there is one in the code that was replaced"
[ -z "$at" ] || ok "which is hit now" test "$(hits inside)" -gt 0
tracing '[ ! -e events/kprobes ] || echo 0 > events/kprobes/enable; echo > kprobe_events'
is "$(text)" "$before" "the kernel's text is what it was"

# --- Kprobes that come and go elsewhere: the kernel is at its code most of the time, and never for long
tracing 'touch /run/busy; {
    while [ -e /run/busy ]; do
        echo "p:busy vfs_read" > kprobe_events && echo 1 > events/kprobes/busy/enable && echo 0 > events/kprobes/busy/enable
        echo > kprobe_events
        echo >> /run/rounds
    done > /run/busy.log 2>&1
    touch /run/busy_ended
} & until [ -s /run/rounds ]; do sleep 0.1; done'
for _ in 1 2 3; do
    vlp_exits 0 "apply while kprobes come and go elsewhere" apply --settle 0 --timeout 60 "$qmp" "$work/uptime.vlp"
    vlp_exits 0 "and undo" undo --timeout 60 "$qmp" "$(< "$work/uptime.id")"
done
is "$(in_guest 'rm /run/busy; until [ -e /run/busy_ended ]; do sleep 0.1; done; cat /run/busy.log')" "" "they did come and go"

# --- Kretprobes, at the entry: before us and after us
for when in before after; do
    [ $when = before ] || apply "before"
    tracing 'echo "r:returns uptime_proc_show" > kprobe_events && echo 1 > events/kprobes/returns/enable'
    [ $when = after ] || apply "with a kretprobe on the function"
    is "$(uptime)" new "the new code is in force"
    ok "and the kretprobe, set $when, is hit" test "$(hits returns)" -gt 0
    undo "with it"
    n=$(hits returns)
    uptime > /dev/null
    ok "and it is hit still" test "$(hits returns)" -gt "$n"
    tracing 'echo 0 > events/kprobes/returns/enable; echo > kprobe_events'
done

# --- The function graph tracer, of whatever reads files
tracing 'echo "uptime_proc_show vfs_* seq_* ksys_* pipe_* do_sys*" > set_ftrace_filter && echo function_graph > current_tracer'
apply "with the function graph tracer on"
ok "the tracer sees the function" tracing 'echo uptime_proc_show > set_graph_function && echo > trace &&
    cat /proc/uptime > /dev/null && grep -q "uptime_proc_show" trace && echo > set_graph_function'
undo "with the function graph tracer on"
tracing 'echo nop > current_tracer; echo > set_ftrace_filter'
is "$(text)" "$before" "the kernel's text is what it was"

# --- BPF
for kind in fentry fexit; do
    ok "a BPF program is at the function's ${kind#f}" fentry_start $kind
    apply "with a BPF program of kind $kind"
    n=$(fentry_count $kind)
    uptime > /dev/null
    ok "which runs on" test "$(fentry_count $kind)" -gt "$n"
    undo "with it"
    n=$(fentry_count $kind)
    uptime > /dev/null
    ok "which runs on" test "$(fentry_count $kind)" -gt "$n"
    fentry_stop
    apply "before a BPF program"
    ok "a BPF program comes to the function's ${kind#f}" fentry_start $kind
    is "$(uptime)" new "the new code is in force"
    ok "and the program runs" test "$(fentry_count $kind)" -gt 0
    fentry_stop
    undo "when it has gone"
done
is "$(text)" "$before" "the kernel's text is what it was"

# --- The kernel's own livepatch
if tap_result $klp "the kernel's example of a livepatch builds" "$(tail -n 20 "$work/livepatch.log")"; then
    cmdline=$(in_guest cat /proc/cmdline)
    in_guest -i 'cat > /run/livepatch-sample.ko' < "$VLP_KERNEL/livepatch-sample.ko"
    ok "it is loaded" in_guest 'insmod /run/livepatch-sample.ko || { dmesg | tail -n 3; exit 1; }'
    is "$(in_guest cat /proc/cmdline)" "this has been live patched" "and in force"
    in_guest 'virt-livepatch-agent > /run/agent.log 2>&1 &
        while grep -q 1 /sys/kernel/livepatch/livepatch_sample/transition; do sleep 0.2; done'
    vlp_exits 0 "inspect, with the guest's agent" inspect --with-agent "$qmp"
    like "$out" 'own patches: +1: livepatch_sample'$'\n' "shows it"
    unlike "$(sed '1,/^agent:/d' "$work/out")" livepatch "and the guest says the same of it"
    vlp_exits 4 "apply to a function that it replaces" apply "$qmp" "$work/cmdline.vlp"
    like "$err" "cmdline_proc_show is replaced by the guest's own livepatch livepatch_sample" "is refused, with its name"
    in_guest 'cd /sys/kernel/livepatch/livepatch_sample && echo 0 > enabled && while [ -e enabled ]; do sleep 0.2; done
        rmmod livepatch_sample'
    vlp_exits 0 "apply when it is gone" apply --settle 0 "$qmp" "$work/cmdline.vlp"
    is "$(in_guest cat /proc/cmdline)" "$cmdline!" "the new code is in force"
    in_guest 'insmod /run/livepatch-sample.ko'
    is "$(in_guest cat /proc/cmdline)" "this has been live patched" "a livepatch that comes later wins"
    vlp_exits 0 "verify" verify "$qmp"
    in_guest 'cd /sys/kernel/livepatch/livepatch_sample && echo 0 > enabled && while [ -e enabled ]; do sleep 0.2; done'
    is "$(in_guest cat /proc/cmdline)" "$cmdline!" "and when it is gone, the new code is in force again"
    vlp_exits 0 "undo" undo "$qmp" "$(< "$work/cmdline.id")"
    is "$(in_guest cat /proc/cmdline)" "$cmdline" "the old code is in force"
    is "$(text)" "$before" "the kernel's text is what it was"
fi
ok "the guest is well" guest_is_well
done_testing
