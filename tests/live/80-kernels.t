#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Four generations of Debian's kernel, unmodified: what the tool says of a guest at work is what the guest says of itself,
# in every line. VLP_ROUNDS says how often each is looked at, VLP_RELEASES which; VLP_LARGE, which of them also with 8 vCPUs
# and with memory above 4 GiB.
. "$(dirname "$0")/lib.sh"
. "$top/tests/live/views.sh"
: "${VLP_ROUNDS:=3}" "${VLP_RELEASES=5.10 6.1 6.12 newest}" "${VLP_LARGE=${VLP_RELEASES##* }}"

modules="loop veth bridge nf_tables tun"

rounds() {
    local round
    : > "$work/summaries"
    for round in $(seq "$VLP_ROUNDS"); do
        "$1" > "$work/said" || { echo "round $round:"; cat "$work/said"; return 1; }
        tail -n 1 "$work/said" >> "$work/summaries"
    done
}

# agrees NAME WHAT
agrees() {
    ok "$1: all of $VLP_ROUNDS times" rounds "$2"
    diag "$release: $(tail -n 1 "$work/said")"
}

# agrees_while_modules_move NAME WHAT
agrees_while_modules_move() {
    agrees "$1" "$2"
    diag "$release: $(sed 's/.*; \([0-9]*\) modules moved.* which \([0-9]*\) were.*/\1 \2/' "$work/summaries" | awk '
        { moved += $1; seen += $2 }
        END { printf "in %d rounds %d modules moved during a look, of which %d were seen", NR, moved, seen }')"
}

# inspected PERL: what that says of `inspect -o json`, in $_.
inspected() {
    vlp -o json inspect "$qmp" && perl -MJSON::PP -0777 -ne '$_ = decode_json($_); print '"$1" "$work/out"
}

# What it is to call later. A program that sleeps has a timer of its own.
callbacks_are_found() {
    in_guest 'sleep 100000 > /dev/null 2>&1 &'
    "$VLP_BUILD/tests/live/callbacks" "$qmp" > "$work/callbacks" || give_up "what the guest is to call cannot be looked at"
    is "$(grep '^unknown: ' "$work/callbacks")" "" "$release: it tells where timers, work items and the like, and its variables are"
    like "$(< "$work/callbacks")" 'high-resolution timer: hrtimer_wakeup' "$release: a program's timer"
    like "$(sort "$work/callbacks")" $'(^|\n)timer: [a-z]' "$release: timers of its own"
    diag "$release: $(cut -d : -f 1 "$work/callbacks" | sort | uniq -c | paste -sd ,)"
}

# What the guest does to its own text, and what it forbids.
condition_agrees() {
    local jumping
    is "$(inspected 'join(" ", @{$_->{cpu_features}})')" \
       "$(in_guest "sed -n 's/^flags[^:]*: //p' /proc/cpuinfo | head -n 1")" "$release: the features of its CPU"
    is "$(inspected 'join(" ", scalar @{$_->{cpus}}, @{$_->{live_text}}{qw(kprobes tracers)}, $_->{lockdown})')" \
       "$(in_guest nproc) 0 0 none" "$release: its CPUs, and nobody traces"
    is "$(inspected '$_->{paravirt}')" "$(in_guest dmesg | sed -n 's/.*Booting paravirtualized kernel on //p')" \
       "$release: what its paravirt sites were patched for"
    ok "$release: its modules' sections" sections_agree
    is "$(inspected '$_->{live_text}{ftrace_sites}')" \
       "$(in_guest 'sed -n "1s, .*,,p" /sys/kernel/tracing/dyn_ftrace_total_info')" "$release: the functions that it can trace"
    jumping=$(inspected '$_->{live_text}{static_keys_jumping}')
    in_guest 'cd /sys/kernel/tracing && echo "p:probe do_sys_openat2" > kprobe_events &&
        echo 1 > events/kprobes/probe/enable && echo do_exit > set_ftrace_filter && echo function > current_tracer &&
        mount -t securityfs securityfs /sys/kernel/security && echo integrity > /sys/kernel/security/lockdown' ||
        give_up "the guest cannot trace itself"
    is "$(inspected 'join(" ", @{$_->{live_text}}{qw(kprobes tracers)}, $_->{lockdown})')" "1 2 integrity" \
       "$release: a kprobe, its tracer, another tracer, and lockdown"
    is "$(inspected '$_->{live_text}{ftrace_calls}')" "$(in_guest 'grep -c . /sys/kernel/tracing/enabled_functions')" \
       "$release: and those that it does trace"
    ok "$release: static keys that were switched on" test "$(inspected '$_->{live_text}{static_keys_jumping}')" -gt "$jumping"
}

# Per-CPU memory, by where the kernel says that some of it is.
percpu_agrees() {
    local places
    places=$(in_guest 'cd /sys/devices/system/cpu && for cpu in cpu[0-9]*; do echo "$cpu $(cat $cpu/crash_notes)"; done')
    is "$("$VLP_BUILD/tests/live/percpu-places" "$qmp")" "$places" "$release: where each CPU's own memory is"
    is "$(cut -d " " -f 2 <<< "$places" | sort -u | wc -l)" "$(in_guest nproc)" "$release: which is another for each"
}

# Its log, up to what is written last: more than its buffer holds, so that it has gone round.
log_agrees() {
    local first
    in_guest 'echo on > /proc/sys/kernel/printk_devkmsg
        awk "BEGIN { pad = sprintf(\"%700s\", \"\"); for (i = 0; i < 900; i++) {
            printf(\"<%d>%d \\033[2J\\303\\244%s%s\\n\", i % 32, i, substr(pad, 1, i % 700),
                i % 3 ? \"x\" : \"two\\nlines\") > \"/dev/kmsg\"
            fflush(\"/dev/kmsg\")
        } }"
        echo "the end of the log" > /dev/kmsg; cat /dev/kmsg > /run/kmsg &
        until grep -qs "the end of the log" /run/kmsg; do :; done; kill $!; cat /run/kmsg' |
        sed '/^ /d; s/^\([0-9]*,[0-9]*,[0-9]*\),[^;]*;/\1;/; s/\\x5c/\\/g; /the end of the log/q' > "$work/kmsg"
    "$VLP_BUILD/tests/live/kernel-log" "$qmp" | sed '/the end of the log/q' > "$work/log"
    # What has been written behind the end meanwhile has taken the place of the oldest.
    first=$(head -n 1 "$work/log" | cut -d , -f 2)
    awk -F , -v first="$first" '$2 >= first' "$work/kmsg" > "$work/kmsg-left"
    ok "$release: nearly all is there still" test $(($(wc -l < "$work/kmsg") - $(wc -l < "$work/kmsg-left"))) -lt 100
    ok "$release: its log, all of $(wc -l < "$work/kmsg-left") records" diff "$work/kmsg-left" "$work/log"
    ok "$release: with records on both sides of the buffer's end" test "$(head -n 1 "$work/log" | cut -d , -f 2)" -gt 0
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
    moving_start veth tun
    agrees_while_modules_move "$release: modules" modules_agree
    agrees_while_modules_move "$release: symbols" symbols_agree
    ok "$release: the modules that came and went have stopped" moving_stop
    percpu_agrees
    callbacks_are_found
    condition_agrees
    log_agrees
    ok "$release: the guest is well" guest_is_well
    "$top/images/stop-guest" "$guest"
}

lines=()
for release in $VLP_RELEASES; do
    lines+=("$release 512 2")
done
for release in $VLP_LARGE; do
    lines+=("$release 6144 8")
done
in_two_lanes kernel_agrees "${lines[@]}"
done_testing
