#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An update travels with the guest: applied in one QEMU, viewed and undone in another that it was migrated to. One that was
# migrated away while the tool had stopped it does not go on where it was.
. "$(dirname "$0")/lib.sh"

text() { in_guest 'ktext | sha256sum'; }

# migrate: from the source's own monitor (the tool has the other one) to whom listens at $work/migration, to the end.
migrate() {
    local end=$((SECONDS + 60))
    qmp_at "$work/monitor" migrate "{\"uri\":\"unix:$work/migration\"}" || return
    until qmp_at "$work/monitor" query-migrate | grep -q '"status": "completed"'; do
        [ $SECONDS -lt $end ] || return
    done
}

# moved_in_pause SIGNAL: the guest, which the tool has stopped to commit, is migrated, and SIGNAL sent to the tool; sets
# $status and $err when the tool and its guard have ended. Nobody waits for the guest where it went: it goes on here.
moved_in_pause() {
    local tracer tool there
    guest_start -n -- -incoming "unix:$work/migration"
    there=$guest guest=$source qmp=$source_qmp
    : > "$work/trace"
    strace -o "$work/trace" -e trace=connect -e "inject=connect:signal=SIGSTOP:when=$n_connects" \
        "$VLP_BUILD/virt-livepatch" apply --no-log --settle 0 "$qmp" "$work/uptime.vlp" > "$work/out" 2> "$work/err" &
    tracer=$!
    timeout 60 grep -qm 1 'stopped by SIGSTOP' <(exec tail -n +1 -s 0.1 -F --pid=$$ "$work/trace" 2> /dev/null)
    tool=$(pgrep -P $tracer)
    until [ "$(run_state_at "$work/monitor")" = paused ]; do :; done
    ok "$1: it is migrated while the tool has stopped it" migrate
    kill "-$1" "$tool"
    wait $tracer
    status=$?
    err=$(< "$work/err")
    timeout 60 pidwait -f "[v]irt-livepatch .*$qmp"
    is "$(run_state_at "$work/monitor")" postmigrate "it does not go on where it was"
    until [ "$(run_state_at "$there/qmp.sock")" != inmigrate ]; do :; done
    is "$(run_state_at "$there/qmp.sock")" paused "and is still there where it went"
    "$top/images/stop-guest" "$there"
    qmp_at "$work/monitor" cont > "$work/said"
} 2> /dev/null

command -v socat > /dev/null || skip_all "there is no socat"
command -v strace > /dev/null || skip_all "there is no strace"
update_create "$top/images/demo/uptime.patch" uptime
id=$(< "$work/uptime.id")
# The tool has the other monitor.
guest_start -- -qmp "unix:$work/monitor,server=on,wait=off"
source=$guest source_qmp=$qmp
before=$(text)
ok "apply" strace -o "$work/trace" -e trace=connect "$VLP_BUILD/virt-livepatch" -q apply --no-log --settle 0 "$qmp" "$work/uptime.vlp"
n_connects=$(grep -n 'vlp\.gdb' "$work/trace" | tail -n 1 | cut -d : -f 1)
vlp_exits 0 "undo" undo --no-log "$qmp" "$id"

# --- In a pause
moved_in_pause KILL
vlp_exits 0 "recover" recover "$qmp"
is "$(text)" "$before" "the kernel's text is as it was"
moved_in_pause CONT
is "$status" 1 "the tool, if it lives, says so"
like "$err" 'was migrated away while it stood still.*recover' "and what to do"
vlp_exits 0 "undo" undo "$qmp" "$id"
is "$(text)" "$before" "the kernel's text is as it was"

# --- Otherwise
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/uptime.vlp"
patched=$(text)
guest_start -n -- -incoming "unix:$work/migration"
target=$guest target_qmp=$qmp
vlp_exits 3 "a guest that is yet to arrive cannot be patched" apply "$target_qmp" "$work/uptime.vlp"
guest=$source
ok "it is migrated" migrate "$work/monitor"
until [ "$(run_state_at "$target/qmp.sock")" = running ]; do :; done
guest=$target
is "$(in_guest -t 60 'ktext | sha256sum')" "$patched" "the guest has arrived, patched"
like "$(in_guest cat /proc/uptime)" CPUs "and runs the new code"
vlp_exits 0 "view where it arrived" view "$target_qmp"
like "$out" "$id .*installed" "shows the update"
vlp_exits 0 "verify" verify "$target_qmp"
vlp_exits 0 "undo" undo "$target_qmp" "$id"
unlike "$(in_guest cat /proc/uptime)" CPUs "the guest runs the old code"
is "$(text)" "$before" "the kernel's text is what it was"
done_testing
