#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The tool and its guard are killed at the same moment, in apply and in undo: the guest may stay paused, but recover lets
# it run, with all of the update or nothing of it; and one that somebody else has paused stays paused. Of the calls around
# each pause, a sample; with VLP_EVERY=N, every N-th.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/both-killed.sh"

hmp() { monitor_does '{"execute":"human-monitor-command","arguments":{"command-line":"'"$1"'"}}' '"return": "'; }

command -v strace > /dev/null || skip_all "there is no strace"
command -v socat > /dev/null || skip_all "there is no socat"
update_create "$top/tests/live/patches/three.patch" three
id=$(< "$work/three.id")
guest_start -m 256
target=$qmp
run_state() { run_state_at "$guest/qmp.sock"; }
check 15 36

# --- Paused by somebody else
hmp stop
vlp_exits 3 "recover of a guest that somebody else has paused" recover "$target"
is "$(run_state)" paused "leaves it paused"
mkdir "$work/virt-livepatch-left"
hmp "gdbserver unix:$work/virt-livepatch-left/vlp.gdb,server=on,wait=off"
vlp_exits 3 "the same where a killed run has left a gdb stub that it had not used yet" recover "$target"
is "$(run_state)" paused "leaves it paused"
ok "but takes the stub away" test ! -e "$work/virt-livepatch-left"
hmp cont

# --- A stub that is open already: nothing has been written then, and nothing is to be taken back
hmp "gdbserver unix:$work/vlp.gdb,server=on,wait=off"
vlp_exits 3 "apply where a killed run has left one" apply "$target" "$work/three.vlp"
like "$err" "'virt-livepatch recover' puts that right" "is told what to do"
vlp_exits 0 "recover" recover "$target"
vlp_exits 0 "apply" apply --settle 0 "$target" "$work/three.vlp"
hmp "gdbserver unix:$work/gdb.sock,server=on,wait=off"
vlp_exits 3 "undo where somebody else has one" undo "$target" "$id"
vlp_exits 0 "recover" recover "$target"
ok "leaves that alone" test -e "$work/gdb.sock"
done_testing
