#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An update travels with the guest: applied in one QEMU, viewed and undone in another that it was migrated to.
. "$(dirname "$0")/lib.sh"

text() { in_guest 'ktext | sha256sum'; }

# qmp_do SOCKET COMMAND-JSON: one command to a monitor, and what it says.
qmp_do() {
    printf '{"execute":"qmp_capabilities"}%s' "$2" | timeout 10 socat -t 1 - "UNIX-CONNECT:$1"
}

command -v socat > /dev/null || skip_all "there is no socat"
update_create "$top/images/demo/uptime.patch" uptime
id=$(< "$work/uptime.id")
guest_start
source=$guest
before=$(text)
vlp_exits 0 "apply" apply "$qmp" "$work/uptime.vlp"
patched=$(text)
guest_start -n -- -incoming "unix:$work/migration"
target=$guest target_qmp=$qmp

vlp_exits 3 "a guest that is yet to arrive cannot be patched" apply "$target_qmp" "$work/uptime.vlp"
qmp_do "$source/qmp.sock" "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"unix:$work/migration\"}}" > "$work/qmp"
until qmp_do "$target/qmp.sock" '{"execute":"query-status"}' | grep -q '"running": true'; do :; done
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
