#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A guest that is a host itself: what the registers of its vCPUs say while they execute guests of its own is not of its kernel.
. "$(dirname "$0")/lib.sh"

nested() { in_guest "rm -f /run/real /run/long; nested real > /run/real 2>&1 & nested long > /run/long 2>&1 & until [ -s /run/real ] && [ -s /run/long ]; do usleep 10000; done; cat /run/real /run/long"; }
running=$'it runs\nit runs'
complaints() { grep -acE 'BUG|WARNING: (CPU|at)|Oops|general protection|panic -' "$guest/console.log"; }
elsewhere() { vlp -o json stack "$qmp" && [[ $out == *'"name":"elsewhere"'* ]]; }

make_patch kvm virt/kvm/kvm_main.c '/^static long kvm_vcpu_ioctl(/,/^}/s/^\tif (unlikely(_IOC_TYPE/\tif (unlikely(ioctl == 0x1234))\n\t\treturn -ENOTTY;\n\n&/'
update_create "$work/kvm.patch" kvm
update_create "$top/tests/live/patches/hooks.patch" hooks
kvm=$(< "$work/kvm.id") hooks=$(< "$work/hooks.id")
initramfs=$("$top/images/mkinitramfs" --modules kvm-amd) || give_up "there is no initramfs with KVM"
guest_start -i "$initramfs" -c EPYC,-cx16,+svm

is "$(nested)" "$running" "both vCPUs execute guests of the guest's"
ever() { for _ in {1..100}; do "$@" && return; done; false; }
ok "stack says that a vCPU is elsewhere" ever elsewhere
vlp_exits 3 "apply, to what both have called" apply --timeout 2 "$qmp" "$work/kvm.vlp"
like "$err" "nested \(pid [0-9]+\) is in kvm_vcpu_ioctl" "names them"
vlp_exits 0 "apply, to something else, with hooks" apply "$qmp" "$work/hooks.vlp"
like "$(in_guest cat /proc/uptime)" hooks "the new code is in force"
vlp_exits 0 "undo" undo "$qmp" "$hooks"
unlike "$(in_guest cat /proc/uptime)" hooks "the old code is in force"

in_guest 'killall nested; while pidof nested > /dev/null; do usleep 10000; done'
vlp_exits 0 "apply when they have ended" apply "$qmp" "$work/kvm.vlp"
is "$(nested)" "$running" "both execute guests again, through the new code"
vlp_exits 3 "undo" undo --timeout 2 "$qmp" "$kvm"
like "$err" "nested \(pid [0-9]+\) is in kvm_vcpu_ioctl, .*vlp_$kvm" "names them"
vlp_exits 0 "verify" verify "$qmp"
in_guest 'killall nested; while pidof nested > /dev/null; do usleep 10000; done'
vlp_exits 0 "undo when they have ended" undo "$qmp" "$kvm"
is "$(nested)" "$running" "the old code works"
is "$(complaints)" 0 "the guest has nothing to complain of"
done_testing
