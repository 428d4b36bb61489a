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

# linux_start KERNEL [FLAG...]: a Linux with nothing but a program that sleeps, compiled with FLAGs.
linux_start() {
    local kernel=$1
    shift
    rm -rf "$work/root"
    mkdir "$work/root"
    gcc "$@" -nostdlib -static -Wl,--build-id=none -o "$work/root/init" "$top/tests/live/sleeping-init.S" &&
        (cd "$work/root" && echo init | cpio --quiet -o -H newc) > "$work/root.cpio" || give_up "cannot make a guest's program"
    guest_start -n -k "$kernel" -i "$work/root.cpio"
    console_ever_says 'Run /init as init' 180 || give_up "the guest does not boot"
}

# moments: what inspect says, one line each, of a guest that begins to run, until it says something else than that there is
# no kernel, or not yet.
moments() {
    monitor_does '{"execute":"cont"}' RESUME || give_up "the guest does not run"
    until vlp inspect "$qmp" || [[ $status != [34] ]]; do
        echo "$status $err"
    done
}

guest_start -n -i "$top/tests/live/bare.S" -- -S
says 4 'firmware or boot loader' "a guest that is in its firmware"
stop
bare_start
says 4 'no Linux' "a guest in 64-bit mode that is no Linux"
stop
bare_start -DPAGED_32
says 4 '32-bit mode' "a guest in 32-bit mode"
stop

kernel=$("$top/images/fetch-kernel" --suite bookworm --architecture i386 6.1/686-pae) ||
    give_up "there is no 32-bit kernel"
linux_start "$kernel" -m32
says 4 '32-bit mode' "a 32-bit Linux"
stop

# From its firmware on, by way of unpacking itself, and before it has page tables, symbols and types of its own.
guest_start -n -a panic=0 -- -S
moments > "$work/moments"
vlp_exits 0 "a guest that boots is up in the end" inspect "$qmp"
sed 's/ virt-livepatch: .*sock: / /' "$work/moments" | uniq -c > "$work/seen"
diag "$(< "$work/seen")"
is "$(grep -vE ' 4 .*(firmware or boot loader|unpacks its kernel|still starting)| 3 .*still booting' "$work/seen")" "" \
    "at each moment before, one sentence says where it is"
like "$(< "$work/seen")" ' 4 .*unpacks its kernel.* 3 .*still booting' "in the order in which it comes about"
in_guest true
in_guest -t 1 'echo c > /proc/sysrq-trigger' 2> /dev/null
console_ever_says 'end Kernel panic' 180 || give_up "the guest does not crash"
says 1 'crashed \(panic\)' "a kernel that has crashed"
like "$out" 'crashed: +yes' "can be inspected all the same"
vlp_exits 1 "but not changed" undo "$qmp" aaaaaaaa
like "$err" 'crashed \(panic\)' "and it is said why"
vlp_exits 0 "its stacks can be looked at" stack "$qmp"
like "$out" 'panic\+0x' "where it crashed"
ok "that kernel takes its memory for encrypted" "$VLP_BUILD/tests/live/poke" "$qmp" sme_me_mask 800000000000
says 4 'encrypted \(sme_me_mask' "a guest with encrypted memory"
stop

# What it takes to look at a kernel, and these do not have.
for lack in kallsyms:CONFIG_KALLSYMS btf:CONFIG_DEBUG_INFO_BTF; do
    kernel=$("$top/images/build-kernel" "no-${lack%:*}") || give_up "there is no kernel without ${lack%:*}"
    linux_start "$kernel"
    says 4 "${lack#*:}" "a kernel without ${lack%:*}"
    stop
done
done_testing
