#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An update with hooks: they are called when they should be; one refuses, sleeps, faults, or never returns, in a guest that
# is idle and in one whose CPUs spin in user mode. What the kernel is still to call keeps an update in. A field with another meaning, and a patch that was written for kpatch.
. "$(dirname "$0")/lib.sh"

image() { "$VLP_BUILD/tests/live/image-digest" "$qmp"; }
tell() { in_guest "echo $1 > /proc/sys/kernel/domainname"; }
uptime() { in_guest cat /proc/uptime; }
busy() { in_guest 'for i in 1 2; do awk "BEGIN { while (1); }" & done; until [ $(pidof awk | wc -w) = 2 ]; do :; done'; }
idle() { in_guest 'killall awk 2> /dev/null; while pidof awk > /dev/null; do :; done'; }

# is_refused LOAD: by hooks that return an error, take their time, or do not return.
is_refused() {
    tell refuse
    vlp_exits 4 "$1: apply, which a hook refuses" apply "$qmp" "$work/hooks.vlp"
    like "$err" "pre-apply hook before_apply returned -1 " "says who and why"
    ok "has what it began put right" in_guest 'dmesg -c | grep -q "hooks: after undo, 1$"'
    is "$(image)" "$before" "and leaves nothing"
    tell busy
    vlp_exits 3 "$1: apply, which a hook refuses for now" apply "$qmp" "$work/hooks.vlp"
    tell sleep
    vlp_exits 0 "$1: a hook that sleeps" apply --settle 0 "$qmp" "$work/hooks.vlp"
    vlp_exits 0 "undo" undo "$qmp" "$id"
    tell never
    vlp_exits 3 "$1: a hook that does not return" apply "$qmp" "$work/hooks.vlp"
    like "$err" "pre-apply hook before_apply has not returned within 2 s, and was ended" "says so"
    unlike "$(uptime)" hooks "nothing calls the new code"
    ok "its thread is gone" in_guest "! pidof vlp_$id"
    is "$(image)" "$before" "and nothing is left"
}

# faults LOAD
faults() {
    tell fault
    vlp_exits 1 "$1: a hook that faults" apply "$qmp" "$work/hooks.vlp"
    like "$err" "pre-apply hook before_apply faulted" "says so"
    like "$(in_guest dmesg -c)" 'RIP: 0010:before_apply\.vlp' "the guest tells where"
    is "$(image)" "$before" "and leaves nothing"
}

are_called() {
    vlp_exits 0 "apply, while all CPUs spin in user mode" -o json apply --settle 0 "$qmp" "$work/hooks.vlp"
    like "$out" '"name":"before_apply","kind":"pre-apply","result":0.*"name":"after_apply","kind":"post-apply","result":0' \
        "tells of the hooks"
    like "$(uptime)" 'hooks 12, read 1$' "both have been called, and the new code sees it"
    like "$(uptime)" 'hooks 12, read 2$' "a shadow variable remembers"
    vlp_exits 0 "verify" verify "$qmp"
    tell stay
    vlp_exits 3 "undo, which a hook refuses for now" undo "$qmp" "$id"
    like "$err" "pre-undo hook before_undo returned -16" "says who and why"
    like "$(uptime)" 'hooks 12, read 3$' "and changes nothing"
    tell ''
    vlp_exits 0 "undo" undo "$qmp" "$id"
    like "$(in_guest dmesg)" 'hooks: after undo, 12' "has called the last one"
    unlike "$(uptime)" hooks "the old code runs"
    is "$(image)" "$before" "and nothing is left"
    tell late
    vlp_exits 0 "apply, of which a hook tells afterwards that it failed" apply --settle 0 "$qmp" "$work/hooks.vlp"
    like "$err" "post-apply hook after_apply returned -5" "says so"
    vlp_exits 0 "undo" undo "$qmp" "$id"
    tell spin
    vlp_exits 0 "apply, of which such a hook does not return" apply --settle 0 "$qmp" "$work/hooks.vlp"
    like "$err" "post-apply hook after_apply has not returned within 2 s, and was ended" "says so"
    vlp_exits 0 "verify: its code is there again" verify "$qmp"
    vlp_exits 0 "undo" undo "$qmp" "$id"
    is "$(image)" "$before" "and nothing is left"
}

# A hook that waits: again and again, for longer than that it could be ended, and for a tool that is gone.
waits() {
    local killed
    tell wait
    vlp_exits 3 "a hook that waits again and again" apply "$qmp" "$work/hooks.vlp"
    like "$err" "has not returned within 2 s, and was ended" "says so"
    is "$(image)" "$before" "and nothing is left"

    tell long
    vlp_exits 3 "one that waits for long" apply "$qmp" "$work/hooks.vlp"
    like "$err" "has not returned within 2 s. It goes on" "says so"
    unlike "$(uptime)" hooks "nothing calls the new code"
    vlp_exits 0 "view" view "$qmp"
    like "$out" interrupted "shows what is left"
    until vlp recover "$qmp" || [ "$status" != 3 ]; do :; done
    is "$status" 0 "recover, when it has what it waits for"
    is "$(image)" "$before" "takes it out"

    tell wait
    "$VLP_BUILD/virt-livepatch" apply "$qmp" "$work/hooks.vlp" > "$work/out" 2>&1 &
    killed=$!
    until in_guest "pidof vlp_$id > /dev/null" || ! kill -0 $killed; do :; done
    kill -KILL $killed
    wait $killed 2> /dev/null
    vlp_exits 0 "when the tool was killed while a hook runs" view "$qmp"
    like "$out" interrupted "it can be seen"
    unlike "$(uptime)" hooks "and nothing calls the new code"
    vlp_exits 0 "recover ends it" recover "$qmp"
    is "$(image)" "$before" "and takes it out"
}

# begins KIND: the new code asks the kernel for a call.
begins() { tell "$1"; uptime > /dev/null; }

# is_pending KIND WHAT FUNCTION [REGEX]: REGEX is what may be said instead.
is_pending() {
    begins "$1"
    vlp_exits 3 "undo while there is a $2 of the update's" undo --timeout 0.1 "$qmp" "$id"
    like "$err" "the $2 at 0x[0-9a-f]+ is pending, and is to call $3 of the update${4:+|$4}" "says which, and for whom"
    begins stop
}

# What the kernel is still to call keeps an update from being taken out, until a hook sees to it.
pending_is_seen() {
    local id
    sed 's/^+virt_livepatch_pre_undo(stop, 10);/+/' "$top/tests/live/patches/pending.patch" > "$work/alone.patch"
    update_create "$work/alone.patch" alone
    update_create "$top/tests/live/patches/pending.patch" pending
    id=$(< "$work/alone.id")
    vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/alone.vlp"
    is_pending timer timer on_timer
    is_pending hrtimer "high-resolution timer" on_hrtimer
    is_pending delayed "delayed work item" on_delayed
    is_pending work "work item" on_second
    # Those come and go all the time, by a task that is at that, or interrupted in it: a tasklet that is disabled, a callback that
    # asks for another.
    local between='\(pid [0-9]+\) is in (tasklet|__hrtimer|__run_timer|run_timer|call_timer|rcu_|irq_work)'
    is_pending tasklet tasklet on_tasklet "$between"
    is_pending rcu "RCU callback" on_rcu "$between"
    is_pending irq "irq work item" on_irq_work "$between"
    is_pending srcu "SRCU callback" on_srcu
    begins notifier
    vlp_exits 3 "undo while there is a notifier of the update's" undo --timeout 0.1 "$qmp" "$id"
    like "$err" "the reboot_notifier_list\+0x[0-9a-f]+/0x[0-9a-f]+ at 0x[0-9a-f]+ leads to notifier of the update" \
        "says where, and what"
    begins stop
    begins timer
    vlp_exits 3 "apply of another one in its place, while there is one" apply --replace --timeout 0.1 "$qmp" "$work/hooks.vlp"
    like "$err" "to call on_timer of the update" "is refused, too"
    vlp_exits 0 "verify: nothing has changed" verify "$qmp"
    is "$(wc -l <<< "$out")" 1 "and there is one update"
    begins stop
    vlp_exits 0 "undo when there is none" undo "$qmp" "$id"
    is "$(image)" "$before" "and nothing is left"

    id=$(< "$work/pending.id")
    vlp_exits 0 "apply of the same with a hook" apply --settle 0 "$qmp" "$work/pending.vlp"
    begins timer
    begins rcu
    begins irq
    begins srcu
    begins notifier
    vlp_exits 0 "undo, for which the hook stops them" undo "$qmp" "$id"
    is "$(image)" "$before" "and nothing is left"
}

# hooks_work: all of it, for $VLP_KERNEL.
hooks_work() {
    update_create "$top/tests/live/patches/hooks.patch" hooks
    id=$(< "$work/hooks.id")
    guest_start -k "$VLP_KERNEL" -m 256
    before=$(image)
    busy
    are_called
    is_refused busy
    idle
    is_refused idle
    ok "the guest is well" guest_is_well
    faults idle
    busy
    faults busy
    idle
    tell ''
    vlp_exits 0 "apply, once more" apply --settle 0 "$qmp" "$work/hooks.vlp"
    like "$(uptime)" 'hooks 12, read 1$' "is whole, and what was remembered before is forgotten"
    vlp_exits 0 "undo" undo "$qmp" "$id"
    is "$(image)" "$before" "and nothing is left"
    pending_is_seen
}

number() { in_guest 'sh -c "grep ^Fork: /proc/self/status; :"'; }

kpatch_works() {
    vlp_exits 0 "apply a patch that was written for kpatch" apply --settle 0 "$qmp" "$work/kpatch.vlp"
    like "$(number)" "Fork:.[1-9]" "is in force"
    vlp_exits 0 "undo" undo "$qmp" "$(< "$work/kpatch.id")"
    unlike "$(number)" Fork "is over"
    is "$(in_guest dmesg | grep -o '[a-z_]*patch_callback' | paste -sd ' ')" \
        "pre_patch_callback post_patch_callback pre_unpatch_callback post_unpatch_callback" "its callbacks have been called"
    is "$(image)" "$before" "and nothing is left"
}

limits() { in_guest 'cd /run/pids && cat a/pids.max b/pids.max' | paste -sd ' '; }
set_limit() { in_guest "echo $2 > /run/pids/$1/pids.max"; }
set_highest() { in_guest "echo $1 > /proc/sys/kernel/pid_max"; }
fork_in_b() { in_guest 'sh -c "echo 0 > /run/pids/b/cgroup.procs; true | true" 2>&1'; }

# What was there before, what is new, and what the old code makes of it.
meaning_changes() {
    in_guest 'mkdir -p /run/pids && mount -t cgroup -o pids pids /run/pids && mkdir /run/pids/a /run/pids/b'
    set_limit a 50
    set_highest 400
    ok "the old code knows no percent" eval '! set_limit b 1%'
    vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/percent.vlp"
    ok "the new code does" set_limit b 1%
    is "$(limits)" "50 1%" "and what was there before is what it was"
    unlike "$(fork_in_b)" fork "four tasks are allowed"
    ok "as many percent" set_limit b 0%
    like "$(fork_in_b)" fork "none is"
    set_limit b 1%
    set_highest 32768
    vlp_exits 0 "undo" undo "$qmp" "$(< "$work/percent.id")"
    is "$(limits)" "50 4" "the old code has a number that it understands"
    is "$(image)" "$before" "and nothing is left"
}

on_one_kernel() {
    make_patch blocked fs/select.c '
    /^#include <linux.uaccess.h>/a #include <virt-livepatch.h>
    /^int core_sys_select(/,/^}/s/if (n < 0)/if (n < 0 || n == 1021)/
    $a static int before(void) { pr_notice("blocked: before\\n"); return 0; }\
virt_livepatch_pre_apply(before, 5);\
static int after(void) { pr_notice("blocked: after\\n"); return 0; }\
virt_livepatch_post_undo(after, 5);'
    update_create "$work/blocked.patch" blocked
    update_create "$top/tests/live/patches/kpatch.patch" kpatch
    update_create "$top/docs/examples/base-6.1.190/pids-in-percent.patch" percent
    hooks_work
    waits
    vlp_exits 0 "show" show "$work/hooks.vlp"
    like "$out" "pre-apply +calls before_apply, for up to 2 s" "names the hooks"

    in_guest 'sleeper select > /run/sleeper & until [ -s /run/sleeper ]; do :; done'
    pid=$(in_guest 'cut -d " " -f 2 /run/sleeper')
    until in_guest "grep -q core_sys_select /proc/$pid/stack"; do :; done
    vlp_exits 3 "apply while a task sleeps in the function" apply -t 1 "$qmp" "$work/blocked.vlp"
    like "$err" "sleeper \(pid $pid\) is in core_sys_select" "says who is in the way"
    unlike "$(in_guest dmesg)" "blocked:" "calls no hook"
    is "$(image)" "$before" "and leaves nothing"
    in_guest "kill $pid"
    kpatch_works
    meaning_changes
}

on_a_later_kernel() {
    VLP_KERNEL=$("$top/images/fetch-kernel" --suite bookworm-backports 6.12) || give_up "there is no later kernel"
    hooks_work
}

at_once on_one_kernel on_a_later_kernel
done_testing
