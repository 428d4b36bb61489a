#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Guests in which there is nothing to patch, or not yet, or not any more: each is told in one sentence.
. "$(dirname "$0")/lib.sh"

# bare_start FLAG...: a guest that is no Linux, and waits until it is where it stays.
bare_start() {
    mkdir -p "$work/bare"
    gcc -m32 "$@" -nostdlib -static -Wl,-Ttext=0x100000,--build-id=none -o "$work/bare/vmlinuz" "$top/tests/live/bare.S" ||
        give_up "cannot assemble a guest"
    guest_start -n -k "$work/bare" -i "$top/tests/live/bare.S" -s 1
    until vlp inspect "$qmp" || [[ ! $err =~ "without paging" ]]; do
        kill -0 "$(< "$guest/pid")" || give_up "the guest ended"
    done
}

stop() { "$top/images/stop-guest" "$guest"; }

guest_start -n -i "$top/tests/live/bare.S" -- -S
says 4 'firmware or boot loader' "a guest that is in its firmware"
stop
bare_start
says 4 'no Linux' "a guest in 64-bit mode that is no Linux"
stop
bare_start -DPAGED_32
says 4 '32-bit mode' "a guest in 32-bit mode"
stop

guest_start -n -a panic=0
console_ever_says 'Linux version' 180 || give_up "the guest does not boot"
says 3 'still booting' "a kernel that is booting"
until vlp inspect "$qmp"; do
    [ "$status" = 3 ] || break
done
is "$status$err" 0 "it is said so until it is up"
in_guest true
in_guest -t 1 'echo c > /proc/sysrq-trigger' 2> /dev/null
console_ever_says 'end Kernel panic' 180 || give_up "the guest does not crash"
says 1 'crashed \(panic\)' "a kernel that has crashed"
like "$out" 'crashed: +yes' "can be inspected all the same"
vlp_exits 1 "but not changed" undo "$qmp" aaaaaaaa
like "$err" 'crashed \(panic\)' "and it is said why"
vlp_exits 0 "its stacks can be looked at" stack "$qmp"
like "$out" 'panic\+0x' "where it crashed"
stop

done_testing
