#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A dump of a patched guest says what the guest itself says.
. "$(dirname "$0")/lib.sh"

# unflatten < FLATTENED > FILE: as makedumpfile -R does.
unflatten() {
    perl -e 'binmode STDIN; read(STDIN, $_, 4096);
        while (read(STDIN, $_, 16) == 16) {
            my ($at, $length) = unpack("q>q>");
            last if $at < 0;
            read(STDIN, $_, $length); sysseek(STDOUT, $at, 0); syswrite(STDOUT, $_);
        }'
}

command -v socat > /dev/null || skip_all "there is no socat"
update_create "$top/images/demo/uptime.patch" uptime
id=$(< "$work/uptime.id")
guest_start -m 256
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/uptime.vlp"
in_guest 'sleeper pipe > /run/sleeper & until [ -s /run/sleeper ]; do :; done'
ok "the guest is paused" monitor_does '{"execute":"stop"}' STOP
for command in symbols tasks stack view; do
    vlp_exits 0 "$command of the paused guest" "$command" "$qmp"
    mv "$work/out" "$work/$command"
done
ok "the guest is dumped" monitor_does "{\"execute\":\"dump-guest-memory\",\"arguments\":
    {\"paging\":false,\"protocol\":\"file:$work/dump\",\"detach\":true}}" DUMP_COMPLETED
ok "and again, by way of its page tables" monitor_does "{\"execute\":\"dump-guest-memory\",\"arguments\":
    {\"paging\":true,\"protocol\":\"file:$work/paged\"}}" DUMP_COMPLETED
ok "and again, compressed" monitor_does "{\"execute\":\"dump-guest-memory\",\"arguments\":
    {\"paging\":false,\"protocol\":\"file:$work/flattened\",\"format\":\"kdump-zlib\"}}" DUMP_COMPLETED
ok "the guest runs on" monitor_does '{"execute":"cont"}' RESUME
is "$(head -c 12 "$work/flattened")" makedumpfile "QEMU writes a flattened one"
unflatten < "$work/flattened" > "$work/kdump"

for image in dump paged flattened kdump; do
    for command in symbols tasks stack view; do
        vlp_exits 0 "$command of the image $image" "$command" "core:$work/$image"
        ok "is what the paused guest said" diff "$work/$command" "$work/out"
    done
done
vlp_exits 0 "inspect" inspect "core:$work/dump"
like "$out" 'memory image.*updates: +1 installed' "shows the update"
vlp_exits 0 "verify" verify "core:$work/dump"
vlp_exits 4 "an update that is there already does not fit the image" check "core:$work/dump" "$work/uptime.vlp"

vlp_exits 0 "undo in the guest" undo "$qmp" "$id"
ok "the guest is dumped" monitor_does "{\"execute\":\"dump-guest-memory\",\"arguments\":
    {\"paging\":false,\"protocol\":\"file:$work/clean\"}}" DUMP_COMPLETED
vlp_exits 0 "check finds that the update fits the image" check "core:$work/clean" "$work/uptime.vlp"
sum=$(sha256sum < "$work/clean")
for arguments in "apply core:$work/clean $work/uptime.vlp" "undo core:$work/dump $id" "recover core:$work/dump"; do
    # shellcheck disable=SC2086
    vlp_exits 2 "${arguments%% *} is refused" $arguments
    like "$err" 'memory image' "with the reason"
done
is "$(sha256sum < "$work/clean")" "$sum" "the image is what it was"

for image in flattened kdump; do
    vlp_exits 0 "inspect" inspect "core:$work/$image"
    like "$out" 'memory image.*updates: +1 installed' "shows the update in a $image image"
    vlp_exits 0 "verify" verify "core:$work/$image"
    vlp_exits 4 "check" check "core:$work/$image" "$work/uptime.vlp"
    vlp_exits 4 "undo is refused" undo "saved:$work/$image" "$id"
    like "$err" 'no machine is restored from it' "with the reason"
    ok "as a machine" "$VLP_BUILD/tests/live/backend-check" "core:$work/$image"
done
truncate -s -1000 "$work/flattened"
vlp_exits 1 "a flattened file that is cut off is refused" inspect "core:$work/flattened"
truncate -s 100K "$work/kdump"
vlp_exits 1 "so is a compressed one" inspect "core:$work/kdump"
truncate -s -1M "$work/dump"
vlp_exits 1 "so is a file that is cut off" inspect "core:$work/dump"
ok "the guest is well" guest_is_well
done_testing
