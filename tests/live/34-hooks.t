#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An update with hooks: they are called when they should be; one refuses, sleeps, faults, or never returns.
. "$(dirname "$0")/lib.sh"

image() { "$VLP_BUILD/tests/live/image-digest" "$qmp"; }
tell() { in_guest "echo $1 > /proc/sys/kernel/domainname"; }
uptime() { in_guest cat /proc/uptime; }
spin() { in_guest 'for i in 1 2; do awk "BEGIN { while (1); }" & done; until [ $(pidof awk | wc -w) = 2 ]; do :; done'; }
spin_no_more() { in_guest 'killall awk'; }

update_create "$top/tests/live/patches/hooks.patch" hooks
id=$(< "$work/hooks.id")
make_patch blocked fs/select.c '
    /^#include <linux.uaccess.h>/a #include <virt-livepatch.h>
    /^int core_sys_select(/,/^}/s/if (n < 0)/if (n < 0 || n == 1021)/
    $a static int before(void) { pr_notice("blocked: before\\n"); return 0; }\
virt_livepatch_pre_apply(before, 5);\
static int after(void) { pr_notice("blocked: after\\n"); return 0; }\
virt_livepatch_post_undo(after, 5);'
update_create "$work/blocked.patch" blocked
vlp_exits 0 "show" show "$work/hooks.vlp"
like "$out" "pre-apply +calls before_apply, for up to 2 s" "names the hooks"

guest_start -m 256
before=$(image)
spin
vlp_exits 0 "apply, while all CPUs spin in user mode" -o json apply "$qmp" "$work/hooks.vlp"
like "$out" '"name":"before_apply","kind":"pre-apply","result":0.*"name":"after_apply","kind":"post-apply","result":0' \
    "tells of the hooks"
spin_no_more
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

in_guest 'sleeper select > /run/sleeper & until [ -s /run/sleeper ]; do :; done'
pid=$(in_guest 'cut -d " " -f 2 /run/sleeper')
until in_guest "grep -q core_sys_select /proc/$pid/stack"; do :; done
vlp_exits 3 "apply while a task sleeps in the function" apply -t 1 "$qmp" "$work/blocked.vlp"
like "$err" "sleeper \(pid $pid\) is in core_sys_select" "says who is in the way"
unlike "$(in_guest dmesg)" "blocked:" "calls no hook"
is "$(image)" "$before" "and leaves nothing"
in_guest "kill $pid"

tell refuse
vlp_exits 4 "apply, which a hook refuses" apply "$qmp" "$work/hooks.vlp"
like "$err" "pre-apply hook before_apply returned -1 " "says who and why"
ok "has what it began put right" in_guest 'dmesg | grep -q "hooks: after undo, 1$"'
is "$(image)" "$before" "and leaves nothing"
tell busy
vlp_exits 3 "apply, which a hook refuses for now" apply "$qmp" "$work/hooks.vlp"
is "$(image)" "$before" "and leaves nothing"
tell late
vlp_exits 0 "apply, of which a hook tells afterwards that it failed" apply "$qmp" "$work/hooks.vlp"
like "$err" "post-apply hook after_apply returned -5" "says so"
vlp_exits 0 "undo" undo "$qmp" "$id"
tell sleep
vlp_exits 0 "a hook that sleeps for a second" apply "$qmp" "$work/hooks.vlp"
vlp_exits 0 "undo" undo "$qmp" "$id"
is "$(image)" "$before" "nothing is left"
ok "the guest is well" guest_is_well

spin
tell never
vlp_exits 3 "a hook that does not return, while all CPUs spin in user mode" apply "$qmp" "$work/hooks.vlp"
like "$err" "pre-apply hook before_apply has not returned within 2 s, and was ended" "says so"
spin_no_more
vlp_exits 3 "a hook that does not return" apply "$qmp" "$work/hooks.vlp"
like "$err" "pre-apply hook before_apply has not returned within 2 s, and was ended" "says so"
unlike "$(uptime)" hooks "nothing calls the new code"
ok "its thread is gone" in_guest "! pidof vlp_$id"
is "$(image)" "$before" "and nothing is left"
tell wait
vlp_exits 3 "one that waits again and again" apply "$qmp" "$work/hooks.vlp"
like "$err" "has not returned within 2 s, and was ended" "says so"
is "$(image)" "$before" "and nothing is left"
ok "the guest is well" guest_is_well

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
tell ''
vlp_exits 0 "recover" recover "$qmp"
is "$(image)" "$before" "takes it out"

tell fault
vlp_exits 1 "a hook that faults" apply "$qmp" "$work/hooks.vlp"
like "$err" "pre-apply hook before_apply faulted" "says so"
like "$(in_guest dmesg)" 'before_apply' "the guest tells where"
is "$(image)" "$before" "and leaves nothing"
tell ''
vlp_exits 0 "apply, once more" apply "$qmp" "$work/hooks.vlp"
like "$(uptime)" 'hooks 12, read 1$' "is whole, and what was remembered before is forgotten"
vlp_exits 0 "undo" undo "$qmp" "$id"
is "$(image)" "$before" "and nothing is left"
done_testing
