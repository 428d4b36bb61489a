#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The main job on a libvirt domain: unmodified libvirtd, QEMU as its own user, the guest named as virsh names it.
. "$(dirname "$0")/lib.sh"

update_create "$top/images/demo/uptime.patch" uptime
domain=vlp-test-$$
domain_start "$domain"
uuid=$(virsh domuuid "$domain" | head -n 1)

vlp_exits 0 "inspect by name" -c qemu:///system inspect "$domain"
like "$out" "$(in_guest uname -r)" "finds its kernel"
vlp_exits 0 "inspect by UUID" inspect "$uuid"
vlp_exits 0 "inspect by id" inspect "$(virsh domid "$domain" | head -n 1)"
vlp_exits 0 "apply" apply "$domain" "$work/uptime.vlp"
is "$out" "$(< "$work/uptime.id")" "prints the id"
like "$(in_guest cat /proc/uptime)" 'idle time of 2 CPUs' "the guest runs the new code"
is "$(virsh domstate "$domain" | head -n 1)" running "libvirt sees the domain running"
vlp_exits 0 "view" view "$domain"
like "$out" "$(< "$work/uptime.id")" "shows it"
vlp_exits 0 "verify" verify "$uuid"
vlp_exits 0 "undo" undo "$domain" "$(< "$work/uptime.id")"
unlike "$(in_guest cat /proc/uptime)" CPUs "the guest runs the old code"
is "$(virsh domstate "$domain" | head -n 1)" running "libvirt sees the domain running"
vlp_exits 1 "a domain that does not exist" inspect vlp-nobody
like "$err" "vlp-nobody" "is named"
virsh -q suspend "$domain"
vlp_exits 3 "a domain that somebody has suspended" apply "$domain" "$work/uptime.vlp"
is "$(virsh domstate "$domain" | head -n 1)" paused "stays suspended"
virsh -q resume "$domain"
ok "the guest is well" guest_is_well
done_testing
