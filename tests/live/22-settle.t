#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Watching over it: after apply, a guest that is not well is seen to be, by its log, its CPUs and its machine; and
# --undo-on-oops takes the update out again.
. "$(dirname "$0")/lib.sh"

text() { in_guest 'ktext | sha256sum'; }

# read_on: the guest reads /proc/uptime ten times a second from now on.
read_on() { in_guest 'while :; do cat /proc/uptime > /dev/null 2>&1; sleep 0.1; done > /dev/null 2>&1 &'; }

# breaks NAME CODE: an update with CODE in what shows /proc/uptime.
breaks() {
    make_patch "$1" fs/proc/uptime.c "s/^\tktime_get_boottime_ts64(/\t$2\n&/"
    update_create "$work/$1.patch" "$1"
}

# There is no end of the time for what is to be seen: a busy guest may take a while to come to it, and seen, it ends the watch.
long=(--settle 600)

# watched PERL: what that says of the JSON's "watched", in $_.
watched() { perl -MJSON::PP -0777 -ne '$_ = decode_json($_)->{watched}; print '"$1" "$work/out"; }

update_create "$top/images/demo/uptime.patch" clean
breaks warn 'WARN_ON(m);'
breaks oops '*(volatile int *) 8 = 1;'
breaks stuck 'local_irq_disable(); for (;;) cpu_relax();'
breaks panic 'panic("told to");'

guest_start -s 2,maxcpus=4      # those that may be plugged in later stand still
read_on
before=$(text)

# --- A clean one
vlp_exits 0 "apply of an update that does no harm" -o json apply "$qmp" "$work/clean.vlp"
is "$(watched '"$_->{health}, $_->{seen}, $_->{undone}"')" "well, , 0" "finds the guest well"
ok "after a second" test "$(watched 'int($_->{seconds} * 1000)')" -ge 1000
vlp_exits 0 "undo" undo "$qmp" "$(< "$work/clean.id")"
vlp_exits 0 "apply with a longer watch" -v apply --settle 1.5 "$qmp" "$work/clean.vlp"
like "$err" "watched for (1\.[5-9]|[2-9]\.[0-9]|[1-9][0-9]+\.[0-9]) s: its CPUs move" "tells of it"
vlp undo "$qmp" "$(< "$work/clean.id")"
in_guest 'echo "<4>WARNING: a program may say anything" > /dev/kmsg; echo "<0>BUG: anything" > /dev/kmsg'
"$VLP_BUILD/virt-livepatch" apply --settle 600 "$qmp" "$work/clean.vlp" > "$work/out" 2> "$work/err" &
applying=$!
until grep -q applied "$work/err"; do sleep 0.05; done
in_guest 'echo "<4>WARNING: a program may say anything" > /dev/kmsg; echo "<0>BUG: anything" > /dev/kmsg'
kill -INT $applying
wait $applying
is $? 0 "a watch that a signal cuts short leaves the update in; and a program may write what it likes"
like "$(< "$work/err")" "watched for .* s only: a signal came" "and says so"
vlp_exits 0 "undo" undo "$qmp" "$(< "$work/clean.id")"
vlp_exits 2 "--undo-on-oops without a watch" apply --undo-on-oops --settle 0 "$qmp" "$work/clean.vlp"
vlp_exits 2 "--undo-on-oops with --replace" apply --undo-on-oops --replace "$qmp" "$work/clean.vlp"
vlp_exits 2 "a negative time" apply --settle -1 "$qmp" "$work/clean.vlp"

# --- One that warns
vlp_exits 5 "apply of an update that warns" apply "${long[@]}" "$qmp" "$work/warn.vlp"
like "$err" "$(< "$work/warn.id") is applied, and the guest has not been well since: its kernel says \"WARNING: " "is seen"
like "$err" "uptime_proc_show" "with the line of the log"
vlp_exits 0 "view" view "$qmp"
like "$out" "$(< "$work/warn.id") .*installed" "the update is there"
vlp_exits 0 "undo" undo "$qmp" "$(< "$work/warn.id")"
vlp_exits 1 "apply --undo-on-oops of it" -o json apply --undo-on-oops "${long[@]}" "$qmp" "$work/warn.vlp"
like "$err" "was applied, and taken out again.*its kernel says \"WARNING: " "is undone"
like "$(watched '"$_->{health}, $_->{undone}: $_->{seen}"')" '^not well, 1: its kernel says "WARNING: ' "as JSON says"
vlp_exits 0 "view" view "$qmp"
is "$out" "" "the update is gone"
is "$(text)" "$before" "and the kernel's text is what it was"
vlp_exits 0 "log" log "$qmp"
like "$out" "apply $(< "$work/warn.id")  done, but the guest is not well.*
.*its kernel says \"WARNING: .*
.*undo $(< "$work/warn.id")  done.*
.*apply $(< "$work/warn.id")  failed.*
.*taken out again" "has it all"
vlp_exits 0 "without a watch" apply --settle 0 "$qmp" "$work/warn.vlp"
vlp_exits 0 "nobody minds" undo "$qmp" "$(< "$work/warn.id")"

# --- One that oopses
vlp_exits 1 "apply --undo-on-oops of an update that oopses" apply --undo-on-oops "${long[@]}" "$qmp" "$work/oops.vlp"
like "$err" "taken out again.*its kernel says \"BUG: kernel NULL pointer dereference, address: 0+8\"" "is undone"
is "$(text)" "$before" "and the kernel's text is what it was"
ok "the guest runs the old code" in_guest 'cat /proc/uptime'

# --- One that never comes back
vlp_exits 5 "apply -u of an update that stops a CPU" apply --undo-on-oops "${long[@]}" --timeout 1 "$qmp" "$work/stuck.vlp"
like "$err" "its CPU [01] stands still, at task cat \(pid [0-9]+\)" "is seen"
like "$err" "could not be taken out again: no safe moment.*is in uptime_proc_show" "and cannot be undone"
vlp_exits 0 "view" view "$qmp"
like "$out" "$(< "$work/stuck.id") .*installed" "the update is there"
"$top/images/stop-guest" "$guest"

# --- A panic
guest_start -a panic=0
read_on
vlp_exits 5 "apply --undo-on-oops of an update that panics" apply --undo-on-oops "${long[@]}" "$qmp" "$work/panic.vlp"
like "$err" "its kernel says \"Kernel panic - not syncing: told to\", and has crashed \(panic\)" "is seen"
"$top/images/stop-guest" "$guest"
guest_start
read_on
vlp_exits 5 "the same where the machine ends then" -o json apply --undo-on-oops "${long[@]}" "$qmp" "$work/panic.vlp"
is "$(watched '$_->{health}')" "not well" "is seen"
done_testing
