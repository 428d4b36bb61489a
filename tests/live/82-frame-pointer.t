#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A small kernel built from the distribution's source, which unwinds by frame pointers: there is no ORC, and stacks are what
# the guest says they are all the same. It has no shadow variables either (CONFIG_LIVEPATCH is off), and tables of jumps in its
# code (no retpolines): updates bring the ones along, and replace the others.
. "$(dirname "$0")/lib.sh"
. "$top/tests/live/views.sh"

image() { "$VLP_BUILD/tests/live/image-digest" "$qmp"; }
number() { in_guest 'sh -c "grep ^Fork: /proc/self/status; :"'; }
freed() { in_guest dmesg | grep -o 'virt-livepatch: [0-9]* shadow variables that an update had left have been freed'; }

# new_update PATCH NAME: for this kernel.
new_update() {
    vlp_exits 0 "create $2" create --source "$distribution/source" --config "$kernel/config" -o "$work/$2.vlp" "$1" ||
        give_up "there is nothing to apply"
}

# remembering NAME WORD: a patch that says with WORD how often the file was read.
remembering() {
    make_patch "$1" fs/proc/uptime.c '/^#include "internal.h"/i #include <linux/livepatch.h>
        /^static int uptime_proc_show/,/^}/{s/int i;/&\n\tlong *n = klp_shadow_get_or_alloc(\&init_task, 1, 8, GFP_KERNEL, NULL, NULL);/
        s/return 0;/seq_printf(m, "'"$2"' %ld\\n", n ? ++*n : 0);\n\t&/}'
}

# A value beside each task, by three files of the kernel's; and one that nobody frees, and another update takes over.
shadow_variables_work() {
    local before name
    VLP_KERNEL=$distribution
    remembering reads read
    remembering counts count
    make_patch plain fs/proc/uptime.c '/^static int uptime_proc_show/,/^}/s/return 0;/seq_puts(m, "plain\\n");\n\t&/'
    new_update "$top/tests/live/patches/kpatch.patch" kpatch
    for name in reads counts plain; do
        new_update "$work/$name.patch" $name
    done
    # Those that wait for their child are in a function that changes.
    in_guest 'killall sleeper'
    before=$(image)
    vlp_exits 0 "apply" -q apply --settle 0 "$qmp" "$work/kpatch.vlp"
    like "$(number)" 'Fork:.[1-9]' "shadow variables"
    in_guest 'for i in 1 2 3 4 5 6 7 8; do sh -c : & done; wait'
    vlp_exits 0 "verify" verify "$qmp"
    vlp_exits 0 "undo" undo --all "$qmp"
    unlike "$(number)" Fork "are gone"
    is "$(freed)" "" "nothing was left to free"
    is "$(image)" "$before" "and nothing is left"

    vlp_exits 0 "apply of what frees nothing" -q apply --settle 0 "$qmp" "$work/reads.vlp"
    like "$(in_guest 'cat /proc/uptime; cat /proc/uptime')" 'read 1.*read 2$' "remembers"
    vlp_exits 4 "apply of another one in its place that has no shadow variables" apply --replace "$qmp" "$work/plain.vlp"
    like "$err" "undo it first" "is refused"
    vlp_exits 0 "apply of one that has some" apply --settle 0 --replace "$qmp" "$work/counts.vlp"
    like "$(in_guest 'cat /proc/uptime')" 'count 3$' "takes them over"
    vlp_exits 0 "verify" verify "$qmp"
    vlp_exits 0 "undo" undo --all "$qmp"
    like "$(freed)" ': 1 shadow' "the guest says that one was freed"
    is "$(image)" "$before" "and nothing is left"
}

distribution=$("$top/images/fetch-kernel" --source 6.1) || skip_all "there is no kernel source to build from"
kernel=$("$top/images/build-kernel" frame-pointer) || give_up "there is no kernel with frame pointers"
guest_start -k "$kernel"
is "$(vlp symbols "$qmp" '__start_orc_unwind*' && echo "$out")" "" "there is no ORC"
in_guest 'churn -n 2 > /run/churn 2>&1 & for kind in pipe vfork; do sleeper $kind > /dev/null & done'
ok "all symbols equal /proc/kallsyms" symbols_agree
ok "the tasks, and the stacks of those that sleep, are what the guest says" tasks_agree
vlp_exits 0 "stack" stack "$qmp"
unlike "$(sed '/^vCPU/,$d' "$work/out")" '\[<0>\] \?|not unwound' "every frame of a sleeping task is certain"
shadow_variables_work
ok "the guest is well" guest_is_well
done_testing
