#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Four generations of Debian's kernel, unmodified: what the tool says of a guest at work is what the guest says of itself,
# in every line. VLP_ROUNDS says how often each is looked at, VLP_RELEASES which.
. "$(dirname "$0")/lib.sh"
. "$top/tests/live/views.sh"
: "${VLP_ROUNDS:=3}" "${VLP_RELEASES:=5.10 6.1 6.12 newest}"

modules="loop veth bridge nf_tables tun"

# Two modules go, or come back.
load_changes() {
    in_guest 'if [ -d /sys/module/veth ]; then rmmod veth && rmmod tun; else modprobe tun && modprobe veth; fi'
}

rounds() {
    local round
    for round in $(seq "$VLP_ROUNDS"); do
        "$1" > "$work/said" || { echo "round $round:"; cat "$work/said"; return 1; }
        "${2:-true}" || { echo "$2 failed"; return 1; }
    done
}

# agrees NAME WHAT [BETWEEN ROUNDS]
agrees() {
    ok "$1: all of $VLP_ROUNDS times" rounds "$2" "${3:-true}"
    diag "$release: $(tail -n 1 "$work/said")"
}

# kernel_agrees RELEASE MEMORY VCPUS
kernel_agrees() {
    local kernel initramfs
    kernel=$("$top/images/fetch-kernel" "$1") || give_up "there is no kernel $1"
    initramfs=$("$top/images/mkinitramfs" --modules "$modules" "$kernel") || give_up "there is no guest for $1"
    guest_start -k "$kernel" -i "$initramfs" -m "$2" -s "$3"
    release="$(in_guest uname -r), $3 vCPUs, $2 MiB"
    in_guest 'churn -n 3 > /run/churn 2>&1 & for kind in pipe vfork; do sleeper $kind > /dev/null & done'
    vlp_exits 0 "$release: inspect" inspect "$qmp"
    is "$(sed -n 's/^kernel: *//p' <<< "$out")" "${release%%,*}" "$release: the release is uname -r's"
    agrees "$release: tasks, and the stacks of those that sleep" tasks_agree
    agrees "$release: modules" modules_agree load_changes
    agrees "$release: symbols" symbols_agree load_changes
    ok "$release: the guest is well" guest_is_well
    "$top/images/stop-guest" "$guest"
}

for release in $VLP_RELEASES; do
    kernel_agrees "$release" 512 2
done
kernel_agrees "${VLP_RELEASES##* }" 6144 8
done_testing
