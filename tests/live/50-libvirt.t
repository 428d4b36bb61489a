#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The main job on a libvirt domain: unmodified libvirtd, QEMU as its own user, the guest named as virsh names it.
. "$(dirname "$0")/lib.sh"

# typed KEYS: what the shell says on a terminal of its own.
typed() {
    # shellcheck disable=SC2059
    printf "$1" | XDG_CACHE_HOME=$work/cache timeout 60 script -qec "$VLP_BUILD/virt-livepatch" /dev/null > "$work/out"
}

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
vlp_exits 0 "two commands in one argument" "apply $domain '$work/uptime.vlp' ; view $domain"
like "$out" "$(< "$work/uptime.id").*$(< "$work/uptime.id").*installed" "are both done"
ok "a shell, on a terminal" typed "und\t${domain%-*}-\t\t\nlist; view $domain\nquit\n"
like "$(tr -d '\r' < "$work/out")" "virt-livepatch # undo $domain $(< "$work/uptime.id")" \
    "completes the command, the domain and the id of what is installed in it"
unlike "$(in_guest cat /proc/uptime)" CPUs "which is undone"
like "$(< "$work/out")" "$domain.*running.*no update is installed" "and does several commands of a line"
is "$(tail -n 2 "$work/cache/virt-livepatch/history" | head -n 1)" "list; view $domain" "it has a history"
typed 'nosuch\nview vlp-nobody\nexit\n'
is $? 1 "its exit status is that of the last command"
like "$(< "$work/out")" "no command nosuch.*vlp-nobody" "and it goes on after an error"
vlp_exits 2 "a command that does not exist, among others" "list; nosuch"
is "$out" "" "and none of them is run"
virsh -q suspend "$domain"
vlp_exits 3 "a domain that somebody has suspended" apply "$domain" "$work/uptime.vlp"
is "$(virsh domstate "$domain" | head -n 1)" paused "stays suspended"
virsh -q resume "$domain"
ok "the guest is well" guest_is_well
done_testing
