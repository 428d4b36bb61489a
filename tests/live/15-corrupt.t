#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A guest whose kernel data are broken: whatever is asked is refused with a reason or answered, within two seconds of CPU
# time and 256 MiB, and the guest lives on.
. "$(dirname "$0")/lib.sh"
corrupt=$VLP_BUILD/tests/live/corrupt

# bounded COMMAND [ARGUMENT...]: the tool says no more than one thing when it refuses, and never dies or goes on and on.
bounded() {
    (
        ulimit -t 2 -d $((256 << 10)) -c 0
        exec timeout 60 "$VLP_BUILD/virt-livepatch" "$1" "$qmp" "${@:2}"
    ) > "$work/out" 2> "$work/err"
    status=$?
    case $status in
        0) true ;;
        1 | 3 | 4) [ "$(wc -l < "$work/err")" = 1 ] && grep -q '^virt-livepatch: ' "$work/err" ;;
        *) false ;;
    esac
}

# damaged KIND COMMAND REGEX [PID]: does it, looks in every way, of which COMMAND says REGEX, and puts it right again. In
# a COMMAND, UPDATE stands for one.
damaged() {
    kind=$1
    ok "$kind is made" "$corrupt" "$qmp" "$kind" "$work/undo" "${@:4}"
    for command in inspect symbols tasks stack "stack ${*:4}" "check UPDATE" view "undo aaaaaaaa"; do
        # shellcheck disable=SC2086  # a command and its argument
        ok "$kind: $command ends well" bounded ${command/UPDATE/"$work/uptime.vlp"}
        [ "$command" != "$2" ] || like "$(cat "$work/out" "$work/err")" "$3" "$kind: $command tells of it"
    done
    ok "$kind is taken back" "$corrupt" "$qmp" undo "$work/undo"
    vlp_exits 0 "$kind: and all is well again" stack "$qmp"
    ok "$kind: the guest lives" in_guest -t 30 true
}

update_create "$top/images/demo/uptime.patch" uptime
guest_start
in_guest 'sleeper pipe > /run/sleeper & until [ -s /run/sleeper ]; do :; done'
pid=$(in_guest 'cut -d " " -f 2 /run/sleeper')
until in_guest "grep -q pipe_read /proc/$pid/stack"; do :; done

damaged task-cycle tasks 'list of tasks'
damaged module-wild inspect 'nothing is mapped'
damaged module-symbols symbols 'claims to have 2147483647 symbols'
damaged modules-many stack '\[<0>\]'
damaged livepatch-web 'check UPDATE' 'list of livepatches does not end'
damaged records-many view 'superseded by bbbbbbbb'
damaged records-too-many view 'more changes than there can be'
damaged kallsyms-tokens inspect 'no symbol table'
damaged orc-garbage stack '\[<0>\] \? '
damaged btf-garbage inspect 'BTF'
damaged page-table-loop "stack $pid" 'nothing is mapped|not unwound to its end' "$pid"
damaged page-table-device "stack $pid" 'lead out of memory' "$pid"
damaged stack-nowhere "stack $pid" 'nothing is mapped' "$pid"
damaged stack-circle "stack $pid" 'not unwound to its end' "$pid"

# --- With thousands of tasks, none of which may take long
in_guest 'crowd 3000 > /run/crowd & until [ -s /run/crowd ]; do sleep 0.1; done' || give_up "there are no tasks"
damaged stacks-deep stack 'more return addresses than stacks do'
damaged orc-astray stack 'numbers registers in a way'

ok "the guest is well" guest_is_well
done_testing
