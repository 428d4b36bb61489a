#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One test for every way to a machine: each does the same, and stays sound when its machine goes away in a pause.
. "$(dirname "$0")/lib.sh"

# check NAME ARGUMENT...: runs backend-check as a test of many.
check() {
    local name=$1
    shift
    ok "$name" "$VLP_BUILD/tests/live/backend-check" "$@"
}

# bare_start: an embedded machine; sets $pid and $kvm.
bare_start() {
    kvm=kvm:$work/control
    rm -f "$work/control" "$work/letters"
    "$VLP_BUILD/virt-livepatch-kvm" --bare --memory 16 --vcpus 2 --control "$work/control" \
        "$VLP_BUILD/tests/vmm/bare-guest" < /dev/null > "$work/letters" &
    pid=$!
    guests+=("bare_end $pid")
    timeout 60 sh -c "until [ \$(wc -c < $work/letters 2> /dev/null) = 2 ]; do sleep 0.1; done" || give_up "the machine does not start"
}

# bare_end PID: ends it, if it has not ended.
bare_end() {
    kill -KILL "$1"
    wait "$1"
} 2> /dev/null

# running_again GUEST: whether it says so within a while.
running_again() {
    timeout 60 sh -c 'until "$0" -q inspect "$1" | grep -q "^guest:.*(running)"; do sleep 0.2; done' \
        "$VLP_BUILD/virt-livepatch" "$1"
}

leftovers() {
    ls -d "$VIRT_LIVEPATCH_RUN"/* /var/lib/libvirt/qemu/domain-*-"$domain"/vlp* 2> /dev/null
}

# stranger_start OPTION...: a QEMU on KVM without any monitor; sets $pid.
stranger_start() {
    gcc -m32 -nostdlib -static -Wl,-Ttext=0x100000,--build-id=none -o "$work/bare" "$top/tests/live/bare.S" ||
        give_up "bare.S cannot be built"
    qemu-system-x86_64 -nodefaults -display none -accel kvm -cpu qemu64,-cx16,-xsave -m 64 "$@" -kernel "$work/bare" \
        -debugcon "file:$work/stranger" 2> /dev/null &
    pid=$!
    guests+=("bare_end $pid")
    timeout 300 sh -c "until [ -s $work/stranger ]; do sleep 0.1; done" || give_up "the QEMU on KVM does not start"
}

without_libvirt() {
    guest_start -m 256
    check "qmp" "$qmp"
    ok "the guest is dumped" monitor_does "{\"execute\":\"dump-guest-memory\",\"arguments\":
        {\"paging\":false,\"protocol\":\"file:$work/dump\"}}" DUMP_COMPLETED
    check "core" "core:$work/dump"
    local machine
    machine=$(< "$guest/pid")
    check "qmp, the machine being stopped" "$qmp" "$machine" 19
    ok "which runs on when it is let" running_again "$qmp"
    check "qmp, the machine being killed" "$qmp" "$machine" 9
}

with_libvirt() {
    domain_start -m 256 "$domain"
    check "libvirt" "$domain"
    ok "libvirt sees it running" test "$(virsh domstate "$domain" | head -n 1)" = running
    check "libvirt, the machine being stopped" "$domain" "$(< "/run/libvirt/qemu/$domain.pid")" 19
    ok "which runs on when it is let" running_again "$domain"
    check "libvirt, when it runs again" "$domain"
    check "libvirt, the machine being killed" "$domain" "$(< "/run/libvirt/qemu/$domain.pid")" 9
    is "$(virsh domstate "$domain" | head -n 1)" "shut off" "which libvirt knows"
}

on_kvm() {
    if [ ! -w /dev/kvm ]; then
        skip "kvm and pid" "there is no /dev/kvm"
        return
    fi
    bare_start
    check "kvm" "$kvm"
    check "kvm, the machine being stopped" "$kvm" "$pid" 19
    check "kvm, when it is let run again" "$kvm"
    check "pid, the same machine as a stranger" "pid:$pid"
    check "kvm, the machine being killed" "$kvm" "$pid" 9
    bare_start
    check "pid, the machine being killed" "pid:$pid" "$pid" 9
    stranger_start
    check "pid, a QEMU without a monitor" "pid:$pid"
    bare_end "$pid"
    rm "$work/stranger"
    stranger_start -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
    check "pid, one whose system calls are filtered" "pid:$pid"
    check "pid, it being killed" "pid:$pid" "$pid" 9
}

command -v socat > /dev/null || skip_all "there is no socat"
domain=vlp-backend-$$
before=$(leftovers)
at_once without_libvirt with_libvirt on_kvm
is "$(leftovers)" "$before" "no socket and no file is left"
done_testing
