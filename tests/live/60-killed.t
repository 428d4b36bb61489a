#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The tool is killed at a system call, in apply and in undo of an update of three functions and two data: the guest runs on,
# and has all of the update or nothing of it; recover agrees, and nothing is left behind on the host. Of the calls of a run
# that can change anything outside of it, a sample; with VLP_EVERY=N, every N-th.
. "$(dirname "$0")/lib.sh"
: "${VLP_EVERY:=}"

# Calls that change nothing outside of the process: to be killed at one is to be killed at the call before it.
passive='pread64|process_vm_readv|read|mmap|munmap|mprotect|mremap|madvise|brk|newfstatat|fcntl|access|faccessat2|lseek'
passive+='|rt_sig[a-z]*|get[a-z]*|capget|prctl|prlimit64|sched_[a-z]*|set_[a-z_]*|arch_prctl|statfs|uname|sysinfo'

digest() { "$VLP_BUILD/tests/live/image-digest" "$qmp"; }

# calls ARGUMENT...: runs the tool to its end, and lists its system calls in $work/calls, a name on each line; sets n_calls
# to their number and stub_calls to which of them opened the gdb stub.
calls() {
    n_calls=0 stub_calls=()
    strace -o "$work/trace" -s 200 "$VLP_BUILD/virt-livepatch" "$@" > "$work/out" 2> "$work/err" || return 1
    grep '^[a-z]' "$work/trace" > "$work/calls"
    mapfile -t stub_calls < <(grep -n 'sendto.*gdbserver .*unix' "$work/calls" | cut -d : -f 1)
    sed -i 's/(.*//' "$work/calls"
    n_calls=$(wc -l < "$work/calls")
    [ ${#stub_calls[@]} = 2 ]
}

# moments: which of $work/calls to be killed at, each as its name and how many of that name there were. The sample has most
# of them where the guest is stopped. The calls are not quite the same in each run, so that others are met every time.
moments() {
    local call
    if [ -n "$VLP_EVERY" ]; then
        seq 1 "$n_calls"
    else
        seq 50 $((n_calls / 4)) "$n_calls"
        for call in "${stub_calls[@]}"; do
            seq $((call - 20)) $((call + 120))
        done
    fi | sort -nu | awk -v every="${VLP_EVERY:-5}" -v passive="^($passive)$" '
        NR == FNR { wanted[$1]; next }
        { n[$1]++ }
        FNR in wanted && $1 !~ passive && n_active++ % every == 0 { print $1, n[$1] }' - "$work/calls"
}

# killed_at NAME N ARGUMENT...: FALSE if the tool got to its end before. Waits for its guard, too, which strace does not
# follow: it would be killed at the N-th call of that name that it makes itself.
killed_at() {
    local name=$1 n=$2
    shift 2
    local status
    strace -o /dev/null -e "trace=$name" -e "inject=$name:signal=SIGKILL:when=$n" "$VLP_BUILD/virt-livepatch" "$@" \
        > "$work/out" 2> "$work/err"
    status=$?
    timeout 60 pidwait -f "[v]irt-livepatch .*$qmp"
    [ $status = 137 ]
}

# runs: the guest's vCPUs are running, now.
runs() { [ "$(run_state_at "$guest/qmp.sock")" = running ]; }

data() { in_guest 'cat /proc/sys/kernel/panic_on_oops /proc/sys/kernel/domainname' < /dev/null | paste -sd ' '; }

# state: "old", "new", or what is wrong.
state() {
    local now
    now="$(digest 2>&1), $(data)"
    case $now in
        "$old, 0 (none)") echo old ;;
        "${new% *} filled, 1 patched") vlp verify "$qmp" && echo new || echo "verify: $out $err" ;;
        *) echo "neither old nor new: $now" ;;
    esac
}

# at_moments WHAT ARGUMENT...: kills, looks and recovers.
at_moments() {
    local what=$1 name n is
    shift
    n_killed=0 n_old=0 n_new=0
    while read -r name n; do
        killed_at "$name" "$n" "$@" 2> /dev/null < /dev/null && n_killed=$((n_killed + 1))
        runs || { echo "$what, killed at $name $n: the guest does not run"; return 1; }
        is=$(state)
        vlp -q recover "$qmp" || { echo "$what, killed at $name $n: recover: $err"; return 1; }
        [ "$is" = "$(state)" ] || { echo "$what, killed at $name $n, was $is; recover made it $(state)"; return 1; }
        case $is in
            old) n_old=$((n_old + 1)) ;;
            new) n_new=$((n_new + 1)) ;;
            *) echo "$what, killed at $name $n: $is"; return 1 ;;
        esac
        case $what.$is in
            apply.new) vlp undo --no-log "$qmp" "$id" || { echo "undo after $n: $err"; return 1; } ;;
            undo.old) vlp apply --no-log --settle 0 "$qmp" "$work/three.vlp" || { echo "apply after $n: $err"; return 1; } ;;
        esac
    done < <(moments)
    [ "$n_old" -gt 0 ] && [ "$n_new" -gt 0 ] && [ "$n_killed" -gt 10 ]
}

command -v strace > /dev/null || skip_all "there is no strace"
command -v socat > /dev/null || skip_all "there is no socat"
update_create "$top/tests/live/patches/three.patch" three --set kernel/panic.c:panic_on_oops=1 \
    --set 'init/version.c:init_uts_ns.name.domainname="patched"'
id=$(< "$work/three.id")
guest_start
old=$(digest)
like "$old" "empty" "nothing is installed at first"
calls -q apply --no-log "$qmp" "$work/three.vlp"
tap_result $? "apply makes $n_calls system calls, and prepares in one stop and commits in another" "$err"
new=$(digest)
isnt "${new% *}" "${old% *}" "and changes the kernel's text"
is "$(in_guest 'cat /proc/uptime /proc/loadavg /proc/version | grep -c ^new')" 3 "all three functions are replaced"
is "$(data)" "1 patched" "and both data changed"
vlp_exits 0 "undo" undo --no-log "$qmp" "$id"
is "$(digest)" "$old" "restores it"

at_moments apply -q apply --no-log "$qmp" "$work/three.vlp" > "$work/said"
tap_result $? "apply, killed at $n_killed calls: $n_old times wholly old, $n_new wholly new" "$(< "$work/said")"
vlp_exits 0 "apply" apply --settle 0 --no-log "$qmp" "$work/three.vlp"
calls -q undo --no-log "$qmp" "$id"
tap_result $? "undo makes $n_calls, and commits in one stop and cleans in another" "$err"
vlp_exits 0 "apply again" apply --settle 0 --no-log "$qmp" "$work/three.vlp"
at_moments undo -q undo --no-log "$qmp" "$id" > "$work/said"
tap_result $? "undo, killed at $n_killed calls: $n_old times wholly old, $n_new wholly new" "$(< "$work/said")"
vlp undo --no-log "$qmp" "$id"
is "$(digest)" "$old" "the kernel's text is what it was, and the holes are empty"
is "$(find "$VIRT_LIVEPATCH_RUN" -mindepth 1)" "" "no socket is left behind"
is "$(in_guest 'cat /proc/uptime /proc/loadavg /proc/version | grep -c ^new')" 0 "the guest runs the old code"
ok "the guest is well" guest_is_well
done_testing
