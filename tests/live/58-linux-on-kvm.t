#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Linux on the embedded machine, on whatever /dev/kvm there is: a kernel of small configuration boots to its init, is looked
# at, patched and unpatched while it runs, and runs what writes the line in its log. With VLP_LINUX_ON_KVM=1: where KVM emulates
# guest code, this takes minutes.
. "$(dirname "$0")/lib.sh"
: "${VLP_LINUX_ON_KVM:=}"

# What an emulating KVM cannot do. It may show the host's own features nevertheless.
features=cx16,xsave,smap,smep,popcnt,rdrand,rdseed,fsgsbase,invpcid,pcid

# append: the kernel's command line. Its clock is told a frequency ten times as high as it is: to a kernel that runs a
# hundred times slower than it was made for, ten timer interrupts a second are enough. All types need not be parsed at boot.
append() {
    local khz
    khz=$(awk '/^cpu MHz/ { printf "%d", $4 * 10000; exit }' /proc/cpuinfo)
    echo "earlyprintk=serial,ttyS0,115200 console=ttyS0 nokaslr mitigations=off panic=-1 lpj=1000000" \
        "no-kvmclock tsc=reliable tsc_early_khz=$khz initcall_blacklist=kfunc_init" \
        "noxsave clearcpuid=$(sed 's/cx16,//' <<< "$features")"
}

# linux_start: $work/vmlinux; sets $guest, $kvm and $stranger: the same machine as one that offers nothing.
linux_start() {
    guest=$work/guest kvm=kvm:$work/control
    mkdir -p "$work/root" "$guest"
    gcc -nostdlib -static -no-pie -Wl,--build-id=none -o "$work/root/init" "$top/tests/live/busy-init.S" &&
        (cd "$work/root" && echo init | cpio --quiet -o -H newc) > "$work/root.cpio" ||
        give_up "cannot make a guest's program"
    "$VLP_BUILD/virt-livepatch-kvm" --memory 32 --without "$features" --control "$work/control" --append "$(append)" \
        --initrd "$work/root.cpio" "$work/vmlinux" < /dev/null > "$guest/console.log" 2>&1 &
    guests+=("machine_end $!")
    stranger=pid:$!
}

# say_the_same ARGUMENT...: both, of the guest that is the last argument.
say_the_same() {
    diff <("$VLP_BUILD/virt-livepatch" "$@" "$kvm" 2>&1 | sed -E "s#(kvm:)?${kvm#kvm:}#GUEST#g") \
        <("$VLP_BUILD/virt-livepatch" "$@" "$stranger" 2>&1 | sed "s#$stranger#GUEST#g")
}

machine_end() {
    kill "$1"
    wait "$1"
} 2> /dev/null

[ -n "$VLP_LINUX_ON_KVM" ] || skip_all "it takes long; VLP_LINUX_ON_KVM=1 runs it"
[ -w /dev/kvm ] || skip_all "there is no /dev/kvm"
distribution=$("$top/images/fetch-kernel" --source 6.1) || skip_all "there is no kernel source to build from"
kernel=$("$top/images/build-kernel" embedded) || give_up "there is no kernel"
vlp_exits 0 "create" create --source "$distribution/source" --config "$kernel/config" -o "$work/uptime.vlp" \
    "$top/images/demo/uptime.patch"
"$distribution/source/scripts/extract-vmlinux" "$kernel/vmlinuz" > "$work/vmlinux" || give_up "the kernel cannot be unpacked"
linux_start
SECONDS=0
ok "it boots to its init" console_ever_says 'Run /init as init' 1800
diag "after $SECONDS s"
ok "which runs" timeout 300 sh -c "until '$VLP_BUILD/virt-livepatch' inspect '$kvm' > /dev/null 2>&1; do sleep 1; done"
vlp_exits 0 "inspect" inspect "$kvm"
like "$out" "$(< "$kernel/release")" "finds the kernel"
vlp_exits 0 "symbols" symbols "$kvm" uptime_proc_show
like "$out" '^ffffffff81[0-9a-f]{6} t uptime_proc_show$' "has them"
vlp_exits 0 "tasks" tasks "$kvm"
like "$out" ' 1 .*init' "has init"
vlp_exits 0 "stack" stack "$kvm"
like "$out" 'task 2 \(kthreadd\).*kthreadd\+0x.*ret_from_fork\+0x' "has that of a thread of the kernel's"
vlp_exits 0 "check" check "$kvm" "$work/uptime.vlp"
vlp_exits 0 "apply" apply "$kvm" "$work/uptime.vlp"
diag "$err"
id=$out
ok "the guest's log has it" grep -q "virt-livepatch: update $id applied" "$guest/console.log"
vlp_exits 0 "view" view "$kvm"
like "$out" "$id .*installed" "shows it"
vlp_exits 0 "verify" verify "$kvm"
for command in inspect view verify symbols; do
    ok "$command says the same of it as of a stranger" say_the_same $command
    ok "so does it to programs" say_the_same -o json $command
done
vlp_exits 0 "undo" undo "$kvm" "$id"
ok "the guest's log has that, too" grep -q "virt-livepatch: update $id undone" "$guest/console.log"
ok "the guest is quiet" guest_is_quiet
done_testing
