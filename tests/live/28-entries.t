#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Functions whose first instructions are special: no ftrace site, or a jump label or static call right behind it, which the
# guest's kernel switches while the function is replaced. And a function whose name means another one in the guest's kernel.
. "$(dirname "$0")/lib.sh"

text() { in_guest 'ktext | sha256sum'; }

# What switches each: a memory controller of cgroups that goes to a hierarchy of version 1 and back (which it does some time after
# that is unmounted, under the lock that /proc/self/cgroup takes too), a tracepoint, and how the kernel is to be preempted.
swappiness_on() { in_guest 'mkdir -p /run/memory && mount -t cgroup -o memory none /run/memory'; }
swappiness_off() { in_guest 'umount /run/memory; until grep -q "^memory[[:space:]]*0" /proc/cgroups; do usleep 10000; done; cat /proc/self/cgroup > /dev/null'; }
softirq_on() { in_guest 'echo 1 > /sys/kernel/tracing/events/irq/softirq_raise/enable'; }
softirq_off() { in_guest 'echo 0 > /sys/kernel/tracing/events/irq/softirq_raise/enable'; }
mmput_on() { in_guest 'echo full > /sys/kernel/debug/sched/preempt'; }
mmput_off() { in_guest 'echo voluntary > /sys/kernel/debug/sched/preempt'; }

make_patch id kernel/trace/trace_events.c '/^event_id_read/,/^}/s/"%d\\n"/"%d new\\n"/'
make_patch swappiness mm/memcontrol.c \
    '/^static u64 mem_cgroup_swappiness_read/,/^}/s/return mem_cgroup_swappiness(memcg);/return 1000 + mem_cgroup_swappiness(memcg);/'
make_patch softirq kernel/softirq.c '/^void __raise_softirq_irqoff/,/^}/s/or_softirq_pending(1UL << nr);/if (nr < NR_SOFTIRQS) &/'
make_patch mmput kernel/fork.c '/^void mmput(struct/,/^}/s/if (atomic_dec_and_test/if (mm \&\& atomic_dec_and_test/'
# crash_smp_send_stop() and nmi_panic_self_stop() are weak, and x86 has its own.
make_patch weak kernel/panic.c '/^void __weak crash_smp_send_stop/,/^}/s/if (cpus_stopped)/if (cpus_stopped || !num_online_cpus())/'
make_patch named kernel/panic.c \
    '/^static ssize_t warn_count_show/,/^}/s/"%d\\n", atomic_read(&warn_count)/"%px\\n", nmi_panic_self_stop/'
for name in id swappiness softirq mmput weak named; do
    update_create "$work/$name.patch" "$name"
done
guest_start
before=$(text)

vlp_exits 0 "apply to a function without an ftrace site" apply --settle 0 "$qmp" "$work/id.vlp"
like "$(in_guest cat /sys/kernel/tracing/events/sched/sched_switch/id)" '^[0-9]+ new$' "the new code is in force"
vlp_exits 0 "verify" verify "$qmp"
vlp_exits 0 "undo" undo "$qmp" "$(< "$work/id.id")"
like "$(in_guest cat /sys/kernel/tracing/events/sched/sched_switch/id)" '^[0-9]+$' "the old code is in force"
is "$(text)" "$before" "the kernel's text is what it was"

for name in swappiness softirq mmput; do
    id=$(< "$work/$name.id")
    ${name}_off 2> /dev/null
    off=$(text)
    ${name}_on
    on=$(text)
    isnt "$on" "$off" "$name: switching changes the kernel's text"
    vlp_exits 0 "apply when it is on" apply --settle 0 "$qmp" "$work/$name.vlp"
    patched=$(text)
    [ "$name" != swappiness ] || like "$(in_guest cat /run/memory/memory.swappiness)" '^10' "the new code is in force"
    for _ in 1 2 3; do
        ${name}_off
        ${name}_on
    done
    vlp_exits 0 "verify, after it has been switched" verify "$qmp"
    is "$(text)" "$patched" "the kernel's text is what it was when it was applied"
    [ "$name" != swappiness ] || like "$(in_guest cat /run/memory/memory.swappiness)" '^10' "the new code is in force"
    vlp_exits 0 "undo" undo "$qmp" "$id"
    is "$(text)" "$on" "the kernel's text is what it was"

    vlp_exits 0 "apply when it is on" apply --settle 0 "$qmp" "$work/$name.vlp"
    ${name}_off
    vlp_exits 0 "undo when it is off" undo "$qmp" "$id"
    is "$(text)" "$off" "the kernel's text is what it is when it is off"
    vlp_exits 0 "apply when it is off" apply --settle 0 "$qmp" "$work/$name.vlp"
    ${name}_on
    vlp_exits 0 "undo when it is on" undo "$qmp" "$id"
    is "$(text)" "$on" "the kernel's text is what it is when it is on"
    ${name}_off
    is "$(text)" "$off" "and switching works as before"
done
vlp_exits 0 "apply to a weak function" apply "$qmp" "$work/weak.vlp"
like "$err" "crash_smp_send_stop of kernel/panic.o is not in use" "that another one has its place is said"
vlp_exits 0 "undo" undo "$qmp" "$(< "$work/weak.id")"
vlp_exits 0 "apply what refers to a weak function" apply "$qmp" "$work/named.vlp"
unlike "$err" "is not in use" "what is in use is not said to be none"
is "$(in_guest cat /sys/kernel/warn_count)" "$(in_guest 'sed -n "s/ T nmi_panic_self_stop$//p" /proc/kallsyms')" \
    "what has its place is meant"
vlp_exits 0 "undo" undo "$qmp" "$(< "$work/named.id")"
ok "the guest is well" guest_is_well
done_testing
