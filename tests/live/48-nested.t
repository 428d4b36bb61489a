#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A guest that is a host itself: what the registers of its vCPUs say while they execute guests of its own is not of its kernel.
# VLP_RELEASES says of which generations ("6.1").
. "$(dirname "$0")/lib.sh"
: "${VLP_RELEASES:=6.1}"

nested() { in_guest "rm -f /run/real /run/long; nested real > /run/real 2>&1 & nested long > /run/long 2>&1 & until [ -s /run/real ] && [ -s /run/long ]; do usleep 10000; done; cat /run/real /run/long"; }
running=$'it runs\nit runs'
# What this CPU model's weaknesses need and do not have is no trouble.
complaints() { grep -aE "$trouble" "$guest/console.log" | grep -v hw-vuln; }
elsewhere() { vlp -o json stack "$qmp" && [[ $out == *'"name":"elsewhere"'* ]]; }

# make_updates RELEASE: to what both have called, and to something else, with a hook.
make_updates() {
    generation_choose "$1"
    make_patch kvm virt/kvm/kvm_main.c '/^static long kvm_vcpu_ioctl(/,/^}/s/^\tif (unlikely(_IOC_TYPE/\tif (unlikely(ioctl == 0x1234))\n\t\treturn -ENOTTY;\n\n&/'
    make_patch other fs/proc/uptime.c '1,/^#include/s/^#include/#include <virt-livepatch.h>\n&/
        /^static int uptime_proc_show/,/^}/s/\treturn 0;/\tseq_printf(m, "hooked %d\\n", begun);\n&/
        s/^static int uptime_proc_show/static bool begun;\
static int begin(void) { begun = true; return 0; }\
virt_livepatch_pre_apply(begin, 10);\
static int end(void) { pr_notice("hook at the end\\n"); return 0; }\
virt_livepatch_post_undo(end, 10);\
\
&/'
    PATH=$compilers:$PATH update_create "$work/kvm.patch" kvm
    PATH=$compilers:$PATH update_create "$work/other.patch" other
    kvm=$(< "$work/kvm.id") other=$(< "$work/other.id")
}

ever() { for _ in {1..100}; do "$@" && return; done; false; }

# hosts RELEASE
hosts() {
    local initramfs release
    make_updates "$1"
    initramfs=$("$top/images/mkinitramfs" --modules kvm-amd "$VLP_KERNEL") || give_up "there is no initramfs with KVM"
    guest_start -k "$VLP_KERNEL" -i "$initramfs" -c EPYC,-cx16,+svm
    release=$(in_guest uname -r)

    is "$(nested)" "$running" "$release: both vCPUs execute guests of the guest's"
    ok "$release: stack says that a vCPU is elsewhere" ever elsewhere
    vlp_exits 3 "$release: apply, to what both have called" apply --timeout 2 "$qmp" "$work/kvm.vlp"
    like "$err" "nested \(pid [0-9]+\) is in kvm_vcpu_ioctl" "$release: names them"
    vlp_exits 0 "$release: apply, to something else, with a hook" apply --timeout 120 "$qmp" "$work/other.vlp"
    like "$(in_guest cat /proc/uptime)" "hooked 1" "$release: the new code is in force, and the hook was called"
    vlp_exits 0 "$release: undo" undo --timeout 120 "$qmp" "$other"
    unlike "$(in_guest cat /proc/uptime)" hooked "$release: the old code is in force"
    like "$(in_guest dmesg)" "hook at the end" "$release: and the other hook was called"

    in_guest 'killall nested; while pidof nested > /dev/null; do usleep 10000; done'
    vlp_exits 0 "$release: apply when they have ended" apply "$qmp" "$work/kvm.vlp"
    is "$(nested)" "$running" "$release: both execute guests again, through the new code"
    vlp_exits 3 "$release: undo" undo --timeout 2 "$qmp" "$kvm"
    # Where there is no room for data in the kernel's image, code that needs none is no module to the guest.
    like "$err" "nested \(pid [0-9]+\) is in kvm_vcpu_ioctl, at .*$(in_guest "grep -o vlp_$kvm /proc/modules")" "$release: names them"
    vlp_exits 0 "$release: verify" verify "$qmp"
    in_guest 'killall nested; while pidof nested > /dev/null; do usleep 10000; done'
    vlp_exits 0 "$release: undo when they have ended" undo "$qmp" "$kvm"
    is "$(nested)" "$running" "$release: the old code works"
    is "$(complaints)" "" "$release: the guest has nothing to complain of"
    "$top/images/stop-guest" "$guest"
}

for generation in $VLP_RELEASES; do
    hosts "$generation"
done
done_testing
