#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Many rounds of apply and undo of three functions, each of which is called all the time on every vCPU, in a guest that forks,
# executes programs, and uses a disk and a network; the function tracer is on for a third of the time.
. "$(dirname "$0")/lib.sh"
: "${VLP_ROUNDS:=200}"

text() { in_guest 'ktext | sha256sum'; }
holes() { "$VLP_BUILD/tests/live/image-digest" "$qmp" | cut -d ' ' -f 2; }

devices_start() {
    in_guest 'mke2fs /dev/vda > /dev/null && mkdir /disk && mount -t ext4 /dev/vda /disk &&
        ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0'
}

# load_start: what is to go on all the while, with its answers in /run.
load_start() {
    in_guest 'cd /run
        caller -n 2 /proc/uptime "[0-9]*.[0-9][0-9] [0-9]*.[0-9][0-9]" "new [0-9]*.[0-9][0-9] [0-9]*.[0-9][0-9]" > uptime &
        caller -n 2 /proc/loadavg "[0-9]*.[0-9][0-9] *[0-9]/[0-9]* [0-9]*" "new [0-9]* *[0-9]/[0-9]* [0-9]*" > loadavg &
        caller -n 2 /proc/version "Linux version *" "new Linux version *" > version &
        churn -d /disk -a 10.0.2.100 > churn 2>&1 &
        until grep -q "churn: [1-9]" churn; do sleep 0.1; done'
}

load_stop() {
    in_guest 'killall caller churn; while killall -0 caller churn 2> /dev/null; do sleep 0.1; done'
}

# Traces those functions, and those of files and of the network, for a third of the time, until /run/tracing is removed.
tracer_start() {
    in_guest 'cd /sys/kernel/tracing && rm -f /run/trace* && touch /run/tracing && echo 64 > buffer_size_kb &&
        echo "uptime_proc_show loadavg_proc_show version_proc_show vfs_* ext4_* udp_* tcp_*" > set_ftrace_filter || exit
        {
            while [ -e /run/tracing ]; do
                sleep 2
                echo function > current_tracer
                sleep 1
                for name in uptime loadavg version tcp; do grep -q $name trace && echo $name; done >> /run/traced
                echo nop > current_tracer
            done > /run/tracer.log 2>&1
            touch /run/tracer_ended
        } &'
}

tracer_stop() {
    in_guest 'rm /run/tracing; until [ -e /run/tracer_ended ]; do sleep 0.1; done; cat /run/tracer.log
        echo > /sys/kernel/tracing/set_ftrace_filter'
}

# The kernel switches static keys on that a file system, a network or a tracer is the first to need.
warm_up() {
    devices_start && load_start && tracer_start && tracer_stop && load_stop
}

# rounds N [OPTION]: counts in $n_done; OPTION for apply and undo.
rounds() {
    local id
    id=$(< "$work/three.id")
    for ((n_done = 0; n_done < $1; n_done++)); do
        vlp -q apply --settle 0 --timeout 30 "${@:2}" "$qmp" "$work/three.vlp" || { echo "apply $n_done: $err"; return 1; }
        vlp -q undo --timeout 30 "${@:2}" "$qmp" "$id" || { echo "undo $n_done: $err"; return 1; }
    done
}

# note N: what is in the kernel's variables now. quiet: some time passes, in which the guest does next to nothing.
note() { "$VLP_BUILD/tests/live/data-digests" "$qmp" > "$work/data.$1"; }
quiet() { in_guest 'sleep 4; cat /proc/uptime > /dev/null'; }

# changed A B: the variables that are not in note B what they are in note A.
changed() { diff "$work/data.$1" "$work/data.$2" | sed -n 's/^> \([^ ]* [^ ]*\) .*/\1/p' | sort; }

# changed_by_rounds: the names of those that some rounds change, and some more rounds, and nothing else in between. What changes
# now and then by itself may seem to be one of them: then there are more rounds.
changed_by_rounds() {
    note 0 && quiet && note 1 && rounds 3 --no-log && note 2 || return
    changed 0 1 > "$work/by-itself"
    changed 1 2 > "$work/by-rounds"
    for _ in 1 2 3 4 5; do
        note 0 && quiet && note 1 && rounds 3 --no-log && note 2 && quiet && note 3 || return
        { changed 0 1; changed 2 3; cat "$work/by-itself"; } | sort -u -o "$work/by-itself"
        comm -12 "$work/by-rounds" <(changed 1 2) | comm -23 - "$work/by-itself" > "$work/still"
        mv "$work/still" "$work/by-rounds"
        [ "$(cut -d ' ' -f 2 "$work/by-rounds")" != mod_tree ] || break
    done
    cut -d ' ' -f 2 "$work/by-rounds"
}

update_create "$top/tests/live/patches/three.patch" three
initramfs=$("$top/images/mkinitramfs" --modules 'virtio_blk virtio_net') || give_up "there is no initramfs with modules"
truncate -s 64M "$work/disk"
guest_start -i "$initramfs" -- -drive "file=$work/disk,format=raw,if=virtio" \
    -nic 'user,model=virtio-net-pci,restrict=on,guestfwd=tcp:10.0.2.100:7-cmd:cat'
is "$(holes)" empty "the holes are empty at first"
ok "the guest warms up" warm_up
before=$(text)
ok "the load goes on" load_start
ok "the tracer comes and goes" tracer_start
rounds "$VLP_ROUNDS" > "$work/said"
if ! tap_result $? "$n_done rounds of apply and undo" "$(< "$work/said")"; then
    ok "the guest is well" guest_is_well
    give_up "$(grep -aE -m 1 -A 30 'int3|Oops|BUG|general protection' "$guest/console.log")"
fi
is "$(tracer_stop)" "" "the tracer could come and go"
is "$(in_guest 'sort -u /run/traced | xargs')" "loadavg tcp uptime version" "and saw calls"
vlp_exits 0 "view" view "$qmp"
is "$out" "" "nothing is installed"
unlike "$(in_guest cat /run/churn)" 'churn: [^0-9]' "the load went on ($(in_guest tail -n 1 /run/churn))"
ok "and ends" load_stop
for name in uptime loadavg version; do
    unlike "$(in_guest cat /run/$name)" unexpected "callers saw the old or the new $name, and nothing else"
    calls=$(in_guest tail -n 1 /run/$name)
    like "$calls" '[1-9][0-9]* of .*, [1-9][0-9]* of ' "and each of them ($calls)"
done
is "$(text)" "$before" "the kernel's text and read-only data are what they were"
is "$(holes)" empty "and the holes are empty"
is "$(changed_by_rounds)" mod_tree "of the kernel's variables, rounds change only the tree of modules, which counts its changes"
ok "the guest is well" guest_is_well
done_testing
