#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Functions of the guest's kernel are run in it, idle and busy; what comes of those that are late, fault or never begin.
. "$(dirname "$0")/lib.sh"

# runs STATUS NAME SECONDS FUNCTION [ARGUMENT...]: calls it in $qmp; sets $out and $err.
runs() {
    local expected=$1 name=$2
    shift 2
    "$VLP_BUILD/tests/live/run-in-guest" "$qmp" "$@" > "$work/out" 2> "$work/err"
    status=$?
    out=$(< "$work/out") err=$(< "$work/err")
    [ "$status" = "$expected" ]
    tap_result $? "$name" "exit status $status, expected $expected"$'\n'"$out"$'\n'"$err"
}

image() { "$VLP_BUILD/tests/live/image-digest" "$qmp"; }
handlers() { in_guest 'grep NMI: /proc/interrupts'; }

guest_start -m 256
before=$(image)
runs 0 "a function of an idle guest's kernel" 60 _printk $'=vlp: a line\n'
is "${out%% *}" 0xb "returns what it should"
ok "and has done it" in_guest 'dmesg | grep -q "vlp: a line"'
is "$(image)" "$before" "it leaves nothing"
runs 0 "one that sleeps for a second" 60 msleep 1000

in_guest 'for i in 1 2; do awk "BEGIN { while (1); }" & done; until [ $(pidof awk | wc -w) = 2 ]; do :; done'
runs 0 "one of a guest whose CPUs spin in user mode" 60 _printk $'=vlp: one more\n'
ok "has been done" in_guest 'dmesg | grep -q "vlp: one more"'
in_guest 'killall awk'

# Both CPUs have something more urgent to do for some seconds.
in_guest 'for cpu in 1 2; do
        taskset $cpu first awk "BEGIN { last = systime() + 4; while (systime() < last); }" < /dev/null > /dev/null 2>&1 &
    done'
runs 0 "one that the guest comes to late, and that has its time all the same" 0.1 msleep 1
in_guest 'while pidof awk > /dev/null; do sleep 0.1; done'

runs 3 "one that does not return in time" 1 msleep 8000
like "$err" "has not returned within 1 s" "it is said so"
vlp_exits 0 "meanwhile" view "$qmp"
like "$out" "interrupted" "it can be seen that something is left"
vlp_exits 0 "recover waits for its end" recover "$qmp"
is "$(image)" "$before" "and leaves nothing"
unlike "$(in_guest dmesg)" "Uhhuh|Dazed" "no NMI was nobody's"
ok "the guest is well" guest_is_well

"$VLP_BUILD/tests/live/run-in-guest" "$qmp" 60 msleep 10000 > "$work/out" 2>&1 &
killed=$!
until in_guest 'pidof vlp_aaaaaaaa > /dev/null' || ! kill -0 $killed; do :; done
kill -KILL $killed
wait $killed 2> /dev/null
vlp_exits 0 "when the tool was killed meanwhile" view "$qmp"
like "$out" "interrupted" "what it has left can be seen"
until vlp recover "$qmp" || [ "$status" != 3 ]; do :; done
is "$status" 0 "recover, when what it ran has come to its end"
is "$(image)" "$before" "takes it out"
ok "the guest is well" guest_is_well

runs 1 "one that faults" 60 strlen 8
like "$err" "strlen faulted in the guest" "it is said so"
ok "the guest tells of it" in_guest 'dmesg | grep -q "Comm: vlp_"'
ok "and goes on" in_guest true
is "$(image)" "$before" "it leaves nothing"
runs 0 "another one" 60 _printk $'=vlp: afterwards\n'
is "$(image)" "$before" "leaves nothing either"

guest_start -m 256 -a apic_extnmi=none
before=$(image)
runs 3 "a guest that takes no NMIs from outside" 2 msleep 1
like "$err" "does not take NMIs" "it is said so"
is "$(image)" "$before" "and nothing is left"
ok "the guest is well" guest_is_well
done_testing
