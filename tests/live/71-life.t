#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What becomes of an update in the life of a guest: snapshots before and after it, a file that the guest is saved to, a reboot;
# and of an apply when the guest is reset, stops answering or crashes while it waits for its moment.
. "$(dirname "$0")/lib.sh"

# qmp COMMAND [ARGUMENTS-JSON]: to a monitor of the test's own, since virt-livepatch has the other one for as long as it is at
# work.
qmp() { qmp_at "$work/monitor" "$@"; }

# until_qmp COMMAND REGEX: asks until the answer matches; FALSE if it does not within a minute.
until_qmp() {
    local answer='' end=$((SECONDS + 60))
    until [[ $answer =~ $2 ]]; do
        [ $SECONDS -lt $end ] || { echo "$answer"; return 1; }
        answer=$(qmp "$1")
    done
}

# job NAME COMMAND ARGUMENTS-JSON without the job's id: a job of QEMU's, to its end.
job() {
    qmp "$2" "{\"job-id\":\"$1\",$3}" && until_qmp query-jobs "\"status\": \"concluded\", [^}]*\"id\": \"$1\"|\"id\": \"$1\"[^}]*\"status\": \"concluded\"" &&
        qmp query-jobs > "$work/jobs" && qmp job-dismiss "{\"id\":\"$1\"}" && ! grep -q '"error"' "$work/jobs" || { cat "$work/jobs"; false; }
}

# snapshot save|load TAG
snapshot() { job "$1-$2-$SECONDS" "snapshot-$1" "\"tag\":\"$2\",\"vmstate\":\"snapshots\",\"devices\":[\"snapshots\"]"; }

# Room for snapshots, in a file that nothing else is in.
snapshots_start() {
    job create blockdev-create '"options":{"driver":"qcow2","file":"file","size":67108864}' &&
        qmp blockdev-add '{"driver":"qcow2","file":"file","node-name":"snapshots"}'
}

text() { in_guest 'ktext | sha256sum'; }
uptime() { in_guest -t 60 'cut -d " " -f 3- /proc/uptime'; }

# is_installed GUEST: the update is there, whole, and in force.
is_installed() {
    vlp_exits 0 "view" view "$1"
    like "$out" "$id .*installed" "shows the update"
    vlp_exits 0 "verify" verify "$1"
    like "$(uptime)" CPUs "the new code is in force"
}

# is_absent GUEST
is_absent() {
    vlp_exits 0 "view" view "$1"
    is "$out" "" "shows nothing"
    like "$err" "no update is installed" "and says so"
    unlike "$(uptime)" CPUs "the old code is in force"
}

# applying_starts [SECONDS (120)]: an apply that waits for a task to leave the function, in the background ($applying); sets
# $pid.
applying_starts() {
    in_guest 'rm -f /run/sleeper; sleeper select > /run/sleeper & until [ -s /run/sleeper ]; do sleep 0.1; done'
    pid=$(in_guest 'cut -d " " -f 2 /run/sleeper')
    in_guest "until grep -q core_sys_select /proc/$pid/stack; do sleep 0.1; done"
    "$VLP_BUILD/virt-livepatch" apply --timeout "${1:-120}" "$qmp" "$work/select.vlp" > "$work/out" 2> "$work/err" &
    applying=$!
    # It waits when it has a guard, and sleeps.
    timeout 60 sh -c "until pgrep -P $applying > /dev/null && grep -q nanosleep /proc/$applying/wchan; do sleep 0.05; done"
}

# applying_ends STATUS NAME
applying_ends() {
    wait $applying
    status=$?
    err=$(< "$work/err")
    tap_result $((status != $1)) "$2" "exit status $status, expected $1"$'\n'"$err"
}

command -v socat > /dev/null || skip_all "there is no socat"
update_create "$top/images/demo/uptime.patch" uptime
update_create "$top/tests/live/patches/select.patch" select
id=$(< "$work/uptime.id")
: > "$work/snapshots"
options=(-a panic=0 -- -action reboot=reset -qmp "unix:$work/monitor,server=on,wait=off")
guest_start "${options[@]}" -blockdev "driver=file,node-name=file,filename=$work/snapshots"
ok "there is room for snapshots" snapshots_start
before=$(text)

# --- Snapshots
ok "a snapshot before apply" snapshot save before
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/uptime.vlp"
patched=$(text)
ok "a snapshot after it" snapshot save after
vlp_exits 0 "undo" undo "$qmp" "$id"
ok "back to after apply" snapshot load after
is_installed "$qmp"
is "$(text)" "$patched" "the kernel's text is what it was then"
ok "back to before apply" snapshot load before
is_absent "$qmp"
is "$(text)" "$before" "the kernel's text is what it was then"
vlp_exits 1 "undo of what was there before it went back" undo "$qmp" "$id"
like "$err" "no update $id is installed in this guest; view lists those that are" "says that it is not"
vlp_exits 0 "recover" recover "$qmp"
vlp_exits 0 "apply once more" apply --settle 0 "$qmp" "$work/uptime.vlp"
ok "and back to after the first one" snapshot load after
is_installed "$qmp"
# Its clock went back, and so did its heartbeats.
ok "the guest is quiet" guest_is_quiet

# --- A file
ok "the guest is saved to a file" qmp migrate "{\"uri\":\"exec:cat > $work/file\"}"
ok "to the end" until_qmp query-migrate '"status": "completed"'
vlp_exits 3 "apply to what has been saved" apply "$qmp" "$work/select.vlp"
"$top/images/stop-guest" "$guest"
guest_start -n "${options[@]}" -incoming "exec:cat $work/file"
ok "and restored from it" until_qmp query-status '"running": true'
is_installed "$qmp"
is "$(text)" "$patched" "the kernel's text is what it was then"
vlp_exits 0 "undo" undo "$qmp" "$id"
is "$(text)" "$before" "the kernel's text is as before the update"

# --- A reset
applying_starts
qmp system_reset > /dev/null
applying_ends 3 "apply while which the guest is reset"
like "$err" "the guest has been reset meanwhile" "says so"
ok "the guest boots" in_guest -t 180 true
is_absent "$qmp"

# --- A reboot, of the guest's own
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/uptime.vlp"
boot=$(in_guest cat /proc/sys/kernel/random/boot_id)
in_guest '(sleep 0.5; reboot -f) > /dev/null 2>&1 &'
ok "the guest reboots" timeout 180 sh -c "until now=\$('$top/images/guest-exec' -t 60 '$guest' cat /proc/sys/kernel/random/boot_id) &&
    [ \"\$now\" != $boot ]; do sleep 0.2; done"
is_absent "$qmp"
vlp_exits 1 "undo of what was there before" undo "$qmp" "$id"
like "$err" "no update $id is installed in this guest" "says that it is not"

# --- QEMU does not answer
applying_starts 10
stand_still "$(< "$guest/pid")"
applying_ends 3 "apply while which QEMU stops answering"
like "$err" "sleeper \(pid $pid\) is in core_sys_select" "says what it waited for"
vlp_exits 3 "apply when it does not answer at all" apply "$qmp" "$work/uptime.vlp"
like "$err" "does not greet: .* or the machine hangs" "says so"
kill -CONT "$(< "$guest/pid")"
ok "the guest runs on when it does again" in_guest -t 60 true
vlp_exits 0 "recover" recover "$qmp"
is_absent "$qmp"
in_guest "kill $pid"

# --- A crash
applying_starts
in_guest 'echo c > /proc/sysrq-trigger' > /dev/null 2>&1 &
applying_ends 1 "apply while which the guest crashes"
like "$err" "crashed" "says so"
done_testing
