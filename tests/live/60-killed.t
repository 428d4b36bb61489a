#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The tool is killed at every message that it sends, in apply and in undo: the guest runs on, recover puts it right, and
# nothing is left behind on the host.
. "$(dirname "$0")/lib.sh"

text() { in_guest 'ktext | sha256sum'; }
uptime() { in_guest -t 30 cat /proc/uptime; }

# killed_at N ARGUMENT...: runs the tool and kills it as it sends its N-th message. FALSE if it got to its end before.
killed_at() {
    local n=$1
    shift
    strace -o /dev/null -e trace=sendto -e "inject=sendto:signal=SIGKILL:when=$n" "$VLP_BUILD/virt-livepatch" "$@" \
        > "$work/out" 2> "$work/err"
    [ $? = 137 ]
}

# at_every_message WHAT ARGUMENT...: kills, looks and recovers for every N; then the tool has got through, once.
at_every_message() {
    local what=$1 n=0 interrupted=0
    shift
    while killed_at $((++n)) "$@" 2> /dev/null; do
        uptime > /dev/null || { echo "the guest does not answer after $what was killed at message $n"; return 1; }
        vlp view "$qmp" || { echo "view after $n: $err"; return 1; }
        [[ $out != *interrupted* ]] || interrupted=$((interrupted + 1))
        vlp -q recover "$qmp" || { echo "recover after $n: $err"; return 1; }
        vlp verify "$qmp" || { echo "verify after $n: $out $err"; return 1; }
        # What was complete, or is undone by now, has to be put back for the next round.
        vlp -o json view "$qmp"
        if [ "$what" = apply ] && [[ $out == *'"id"'* ]]; then
            vlp undo "$qmp" "$id" || { echo "undo after $n: $err"; return 1; }
        elif [ "$what" = undo ] && [[ $out != *'"id"'* ]]; then
            vlp apply "$qmp" "$work/uptime.vlp" || { echo "apply after $n: $err"; return 1; }
        fi
    done
    n_killed=$((n - 1)) n_interrupted=$interrupted
    [ "$n_killed" -gt 10 ]
}

command -v strace > /dev/null || skip_all "there is no strace"
update_create "$top/images/demo/uptime.patch" uptime
id=$(< "$work/uptime.id")
guest_start
before=$(text)

at_every_message apply -q apply "$qmp" "$work/uptime.vlp" > "$work/said"
tap_result $? "apply, killed at each of ${n_killed:-?} messages, ${n_interrupted:-?} times half done" "$(< "$work/said")"
like "$(uptime)" 'CPUs' "and then applied"
at_every_message undo -q undo "$qmp" "$id" > "$work/said"
tap_result $? "undo, killed at each of ${n_killed:-?} messages, ${n_interrupted:-?} times half done" "$(< "$work/said")"
unlike "$(uptime)" 'CPUs' "and then undone"
is "$(text)" "$before" "the kernel's text is what it was"
is "$(find /run -maxdepth 1 -name 'virt-livepatch*')" "" "no socket is left behind"
ok "the guest is well" guest_is_well
done_testing
