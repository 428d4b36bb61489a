#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What new code uses of the running kernel: per-CPU variables, of the kernel and of a module, its tracepoints, static keys and
# calls, alternatives by the CPU's features, indirect calls, exception tables, parts that are rarely run, its
# release, and a static key that nothing but itself leads to.
. "$(dirname "$0")/lib.sh"

text() { in_guest 'ktext -m | sha256sum'; }
field() { in_guest cat /proc/uptime | grep -oE "$1=[^ ]*" | cut -d = -f 2; }
has_flag() { in_guest "grep -cwm 1 $1 /proc/cpuinfo"; }
freed() { in_guest 'cd /sys/kernel/tracing && echo > trace && cat /proc/uptime > /dev/null && grep -c "kfree: call_site=0x2a " trace'; }
trace_freed() { in_guest "echo $1 > /sys/kernel/tracing/events/kmem/kfree/enable"; }
preempt() { in_guest "echo $1 > /sys/kernel/debug/sched/preempt"; }

# fill CPU: writes to the compressed disk what compresses so well that many of its objects lie across two pages.
fill() { in_guest "taskset $1 dd if=/run/data of=/dev/zram0 bs=64k conv=fsync 2> /dev/null"; }
read_back() { in_guest "echo 3 > /proc/sys/vm/drop_caches; taskset $1 dd if=/dev/zram0 bs=64k count=30 2> /dev/null | sha256sum"; }

make_patch constructs fs/proc/uptime.c '
    /^#include "internal.h"/i\
#include <linux/uaccess.h>\
#include <asm/cpufeature.h>\
#include <trace/events/kmem.h>
    /^static int uptime_proc_show/,/^}/{
        /\tint i;/a\
	int (*volatile indirect)(const char *, const char *) = strcmp, word, faulted = 0;
        /\treturn 0;/i\
	seq_printf(m, "cpu=%d interrupts=%d ", raw_smp_processor_id(), this_cpu_read(kstat.irqs_sum) > 0);\
	seq_printf(m, "sse2=%d smap=%d xen=%d ", static_cpu_has(X86_FEATURE_XMM2), static_cpu_has(X86_FEATURE_SMAP),\
		   static_cpu_has(X86_FEATURE_XENPV));\
	__get_kernel_nofault(\&word, (int *) -4096UL, int, fault);\
	if (0) {\
fault:\
		faulted = 1;\
	}\
	seq_printf(m, "faulted=%d indirect=%d\\n", faulted, indirect("a", "a"));\
	trace_kfree(0x2a, NULL);\
	cond_resched();
    }' drivers/char/mem.c '
    /^static ssize_t read_zero(/,/^}/s/left = clear_user(.*/&\
		if (chunk == 7 \&\& put_user(0x76, buf + cleared))\
			return -EFAULT;/
' mm/usercopy.c '
    /^void __check_object_size(/,/^}/s/if (!n)/if (!n || n == 0x123456789)/
' kernel/sys.c '
    /^static int override_release(/,/^}/s/"2.6.%u%s"/"2.6.%u%s-patched"/
' mm/zsmalloc.c '
    /^void \*zs_map_object/i\
static noinline __attribute__((__cold__)) void vlp_rarely(void)\
{\
	pr_info("vlp: an area\\n");\
}\

    /^void \*zs_map_object/,/^}/s/area = this_cpu_ptr(&zs_map_area);/&\
	if (area != per_cpu_ptr(\&zs_map_area, raw_smp_processor_id()))\
		pr_err("vlp: the area of another CPU\\n");\
	DO_ONCE_LITE(vlp_rarely);/'
update_create "$work/constructs.patch" constructs

# A trace event that the patch defines would have to be made known to the kernel, which reads such tables at boot.
make_patch event include/trace/events/oom.h '/^TRACE_EVENT(oom_score_adj_update,/i\
TRACE_EVENT(oom_patched,\
	TP_PROTO(int pid),\
	TP_ARGS(pid),\
	TP_STRUCT__entry(__field(int, pid)),\
	TP_fast_assign(__entry->pid = pid;),\
	TP_printk("pid=%d", __entry->pid)\
);\
' mm/oom_kill.c '/^static void wake_oom_reaper(/,/^}/s/^}/	trace_oom_patched(1);\n&/'
create_exits 4 event "$work/event.patch"
like "$err" "mm/oom_kill.c: the table _ftrace_events \(trace events, of TRACE_EVENT\(\)\)" "a new trace event is refused by name"
id=$(< "$work/constructs.id")
vlp -o json show --disassemble "$work/constructs.vlp"
for kind in return retpoline alternative static-call; do
    like "$out" "\"site\":\"$kind\"" "the new code has a site of the kind $kind"
done
vlp show "$work/constructs.vlp"
like "$out" 'places   zs_map_object\.cold ' "and a part that is rarely run"

initramfs=$("$top/images/mkinitramfs" --modules 'zram lzo-rle') || give_up "there is no initramfs with modules"
guest_start -i "$initramfs"
in_guest 'echo 8M > /sys/block/zram0/disksize; seq 300000 | head -c 1966080 > /run/data'
data=$(in_guest 'sha256sum < /run/data')
before=$(text)
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/constructs.vlp"

# Per-CPU variables
is "$(in_guest 'for m in 1 2; do taskset $m cat /proc/uptime | grep -oE "cpu=[0-9]*"; done' | paste -sd ' ')" "cpu=0 cpu=1" \
    "each CPU reads its own variable"
is "$(field interrupts)" 1 "and a member of one"
fill 1
is "$(read_back 2)" "$data" "a module's variable is that of each CPU"
fill 2
is "$(read_back 1)" "$data" "either way"
log=$(in_guest dmesg)
like "$log" "vlp: an area" "the part of the new code that is rarely run, was"
unlike "$log" "area of another CPU" "and it never met another CPU's"

# What the CPU can do
is "$(field sse2)" 1 "a feature that each CPU has"
is "$(field smap)" "$(has_flag smap)" "one that it may have"
is "$(field xen)" 0 "and one that it has not"
is "$(field faulted)" 1 "a fault ends where the exception table says"
is "$(field indirect)" 0 "an indirect call arrives"
is "$(in_guest 'dd if=/dev/zero bs=7 count=1 2> /dev/null | tr -d "\0"')" v "one of several functions that do the same is called"

# What the kernel switches
is "$(freed)" 0 "a tracepoint that is off"
trace_freed 1
is "$(freed)" 1 "is switched on in the new code, too"
vlp_exits 0 "verify" verify "$qmp"
trace_freed 0
is "$(freed)" 0 "and off"
for mode in full voluntary; do
    preempt $mode
    is "$(field indirect)" 0 "static calls are switched ($mode)"
    vlp_exits 0 "verify" verify "$qmp"
done

vlp_exits 0 "undo" undo "$qmp" "$id"
is "$(field cpu)" "" "the guest runs the old code"
is "$(text)" "$before" "the kernel's text is what it was"
is "$(freed)" 0 "nobody comes by the tracepoint"
ok "the guest is well" guest_is_well
done_testing
