#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Many rounds of apply and undo, of a function that is called all the time, in a guest with plenty to do.
. "$(dirname "$0")/lib.sh"
: "${VLP_ROUNDS:=200}"

text() { in_guest 'ktext | sha256sum'; }

rounds() {
    local id round
    id=$(< "$work/uptime.id")
    for round in $(seq "$VLP_ROUNDS"); do
        vlp -q apply --timeout 30 "$qmp" "$work/uptime.vlp" || { echo "apply $round: $err"; return 1; }
        vlp -q undo --timeout 30 "$qmp" "$id" || { echo "undo $round: $err"; return 1; }
    done
}

update_create "$top/images/demo/uptime.patch" uptime
guest_start
before=$(text)
in_guest 'caller -n 2 /proc/uptime "[0-9]*.[0-9][0-9] [0-9]*.[0-9][0-9]" "* (idle time of 2 CPUs)" > /run/calls &'
in_guest 'churn > /run/churn 2>&1 &'
if ! ok "$VLP_ROUNDS rounds of apply and undo" rounds; then
    ok "the guest is well" guest_is_well
    give_up "$(grep -aE -m 1 -A 30 'int3|Oops|BUG|general protection' "$guest/console.log")"
fi
vlp_exits 0 "view" view "$qmp"
is "$out" "" "nothing is installed"
is "$(text)" "$before" "the kernel's text is what it was"
in_guest 'killall caller churn 2> /dev/null; sleep 1'
calls=$(in_guest 'tail -n 1 /run/calls')
unlike "$(in_guest cat /run/calls)" unexpected "callers saw the old or the new answer, and nothing else"
like "$calls" '[1-9][0-9]* of .*, [1-9][0-9]* of ' "and each of them ($calls)"
ok "the guest is well" guest_is_well
done_testing
