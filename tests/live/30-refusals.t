#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What must not be done is refused, with the right exit status and a reason, and the guest is untouched.
. "$(dirname "$0")/lib.sh"

text() { in_guest 'ktext | sha256sum'; }

update_create "$top/images/demo/uptime.patch" uptime
guest_start
before=$(text)

vlp_exits 2 "no command"
vlp_exits 2 "an unknown command" fly "$qmp"
vlp_exits 2 "a missing argument" apply "$qmp"
vlp_exits 2 "an unknown option" apply --hard "$qmp" "$work/uptime.vlp"
vlp_exits 1 "an update file that is not there" apply "$qmp" "$work/none.vlp"

size=$(wc -c < "$work/uptime.vlp")
for length in 0 7 100 $((size / 2)) $((size - 1)); do
    head -c "$length" "$work/uptime.vlp" > "$work/short.vlp"
    vlp_exits 1 "an update file cut off after $length bytes" apply "$qmp" "$work/short.vlp"
done
cp "$work/uptime.vlp" "$work/flipped.vlp"
perl -e 'seek(STDIN, shift, 0); read(STDIN, $_, 1); print ~$_' $((size / 2)) < "$work/uptime.vlp" | dd of="$work/flipped.vlp" bs=1 seek=$((size / 2)) conv=notrunc status=none
vlp_exits 1 "an update file with one byte changed" apply "$qmp" "$work/flipped.vlp"
like "$err" "damaged" "is called damaged"

# Well made, but not for what the guest runs.
ok "an update for other old code" "$VLP_BUILD/tests/live/alter-update" "$work/uptime.vlp" "$work/altered.vlp"
vlp_exits 4 "with one byte of the old code different, it does not fit" apply "$qmp" "$work/altered.vlp"
like "$err" "uptime_proc_show is not the code this update was made for: at \+0x" "and the message says where"

vlp_exits 1 "a socket that is not there" inspect "qmp:$work/none.sock"
socat "UNIX-LISTEN:$work/dead.sock" /dev/null &
listens "$work/dead.sock"
vlp_exits 1 "a socket that says nothing" inspect "qmp:$work/dead.sock"
vlp_exits 4 "a libvirt connection to something else than QEMU" -c test:///default inspect test

qmp_at "$guest/qmp.sock" stop > "$work/qmp"
vlp_exits 3 "a guest that somebody else has paused" apply "$qmp" "$work/uptime.vlp"
like "$err" "not running \(state: paused\)" "is said to be"
vlp_exits 0 "it can be looked at" inspect "$qmp"
vlp_exits 0 "in all ways" stack "$qmp"
is "$(run_state_at "$guest/qmp.sock")" paused "it stays paused"
qmp_at "$guest/qmp.sock" cont > "$work/qmp"
is "$(text)" "$before" "and nothing was changed"
ok "the guest is well" guest_is_well

guest_start -n
vlp apply "$qmp" "$work/uptime.vlp"
ok "a guest that is still booting ($err)" test "$status" = 3 -o "$status" = 4
in_guest -t 180 true
vlp_exits 0 "fits when it has booted" check "$qmp" "$work/uptime.vlp"

# Firmware that finds nothing to boot.
qemu-system-x86_64 -nodefaults -display none -m 64 -accel tcg -qmp "unix:$work/empty.sock,server=on,wait=off" \
    -pidfile "$work/empty.pid" -daemonize
guests+=("kill $(< "$work/empty.pid")")
vlp_exits 4 "a guest without Linux" apply "qmp:$work/empty.sock" "$work/uptime.vlp"
like "$err" "Linux" "is said to be"
done_testing
