#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Kinds of guests: CPU models, mitigations, and kernels that take no modules. In each, an update with hooks is applied, in
# force, and undone.
. "$(dirname "$0")/lib.sh"

image() { "$VLP_BUILD/tests/live/image-digest" "$qmp"; }
complaints() { grep -acE "$trouble|Call Trace|late by" "$guest/console.log"; }
weakness() { in_guest "cat /sys/devices/system/cpu/vulnerabilities/$1"; }

# works NAME READ: READ is a command that prints what the guest reads from /proc/uptime from now on.
works() {
    local before said
    before=$(image) said=$(complaints)
    vlp_exits 0 "$1: apply, with hooks" -o json apply "$qmp" "$work/hooks.vlp"
    like "$out" '"name":"before_apply","kind":"pre-apply","result":0.*"name":"after_apply","kind":"post-apply","result":0' \
        "they have been called"
    like "$($2)" "hooks 12, read [0-9]+" "the new code is in force"
    vlp_exits 0 "verify" verify "$qmp"
    vlp_exits 0 "undo, with hooks" undo "$qmp" "$id"
    unlike "$($2)" hooks "the old code is in force"
    is "$(image)" "$before" "nothing is left"
    ok "the guest's log has lines of it" \
        grep -qa "virt-livepatch: update $id applied" <("$VLP_BUILD/tests/live/kernel-log" "$qmp")
    is "$(complaints)" "$said" "and none of trouble that it had not at boot"
}

uptime() { in_guest cat /proc/uptime; }

# The next whole line but one on the console, of those that a guest prints by itself.
printed() {
    timeout 300 tail -n 0 -s 0.1 -F --pid=$$ "$guest/console.log" 2> /dev/null | grep -am 3 '^[0-9.]* [0-9.]*' | tail -n 1
}

update_create "$top/tests/live/patches/hooks.patch" hooks
id=$(< "$work/hooks.id")

guest_start -m 256 -c EPYC,-cx16 -a "nopti spectre_v2=off nosmp nokaslr"
like "$(in_guest 'grep -m 1 vendor_id /proc/cpuinfo')" AuthenticAMD "an AMD CPU"
is "$(in_guest nproc)" 1 "a kernel for one CPU"
like "$(weakness spectre_v2)" "^Vulnerable" "without retpolines"
unlike "$(in_guest cat /proc/cpuinfo)" "flags.* pti" "without page-table isolation"
vlp_exits 0 "inspect" -o json inspect "$qmp"
like "$out" '"kaslr_offset":"0"' "at its own address"
works "AMD" uptime
"$top/images/stop-guest" "$guest"

guest_start -m 256 -c Skylake-Client-v1,-cx16 -a "pti=on spectre_v2=retpoline lockdown=confidentiality"
like "$(in_guest 'grep -m 1 vendor_id /proc/cpuinfo')" GenuineIntel "an Intel CPU"
like "$(weakness spectre_v2)" "Retpolines" "with retpolines"
like "$(weakness meltdown)" "PTI" "with page-table isolation"
in_guest 'echo 1 > /proc/sys/kernel/modules_disabled'
vlp_exits 0 "inspect" -o json inspect "$qmp"
like "$out" '"lockdown":"confidentiality"' "locked down"
works "Intel" uptime
"$top/images/stop-guest" "$guest"

guest_start -n -m 256 -a 'nomodule "repeat=cat /proc/sys/kernel/modules_disabled /proc/uptime"'
ok "a guest that takes no modules from the start" console_ever_says '^1.?$' 180
ok "has booted" console_ever_says '^[0-9.]+ [0-9.]+' 60
works "no modules" printed
done_testing
