#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Many rounds of apply and undo, of a function that is called all the time, in a guest with plenty to do.
. "$(dirname "$0")/lib.sh"
: "${VLP_ROUNDS:=200}"

text() { in_guest 'ktext | sha256sum'; }

rounds() {
    local id round
    id=$(< "$work/uptime.id")
    for round in $(seq "$1"); do
        vlp -q apply --settle 0 --timeout 30 "$qmp" "$work/uptime.vlp" || { echo "apply $round: $err"; return 1; }
        vlp -q undo --timeout 30 "$qmp" "$id" || { echo "undo $round: $err"; return 1; }
    done
}

# Traces calls of the function for a third of the time, until /run/tracing is removed.
tracer_start() {
    in_guest 'cd /sys/kernel/tracing && echo uptime_proc_show > set_ftrace_filter && touch /run/tracing && {
        while [ -e /run/tracing ]; do
            sleep 2
            echo function > current_tracer
            sleep 1
            grep -q uptime_proc_show trace && echo seen >> /run/traced
            echo nop > current_tracer
        done > /run/tracer.log 2>&1
        touch /run/tracer_ended
    } &'
}

tracer_stop() {
    in_guest 'rm /run/tracing; until [ -e /run/tracer_ended ]; do sleep 0.1; done'
    in_guest '[ -s /run/traced ] && [ ! -s /run/tracer.log ] && echo > /sys/kernel/tracing/set_ftrace_filter'
}

# test_rounds N traced|untraced
test_rounds() {
    local before calls
    before=$(text)
    in_guest 'caller -n 2 /proc/uptime "[0-9]*.[0-9][0-9] [0-9]*.[0-9][0-9]" "* (idle time of 2 CPUs)" > /run/calls &'
    in_guest 'churn > /run/churn 2>&1 &'
    [ "$2" = untraced ] || ok "the tracer comes and goes" tracer_start
    if ! ok "$1 rounds of apply and undo, $2" rounds "$1"; then
        ok "the guest is well" guest_is_well
        give_up "$(grep -aE -m 1 -A 30 'int3|Oops|BUG|general protection' "$guest/console.log")"
    fi
    [ "$2" = untraced ] || ok "the tracer saw calls" tracer_stop
    vlp_exits 0 "view" view "$qmp"
    is "$out" "" "nothing is installed"
    is "$(text)" "$before" "the kernel's text and read-only data are what they were"
    unlike "$(in_guest cat /run/churn)" 'churn: [^0-9]' "the load went on"
    in_guest 'killall caller churn 2> /dev/null; while killall -0 caller 2> /dev/null; do sleep 0.1; done'
    calls=$(in_guest 'tail -n 1 /run/calls')
    unlike "$(in_guest cat /run/calls)" unexpected "callers saw the old or the new answer, and nothing else"
    like "$calls" '[1-9][0-9]* of .*, [1-9][0-9]* of ' "and each of them ($calls)"
    ok "the guest is well" guest_is_well
}

update_create "$top/images/demo/uptime.patch" uptime
guest_start
test_rounds $((VLP_ROUNDS / 2)) untraced
test_rounds $((VLP_ROUNDS / 2)) traced
done_testing
