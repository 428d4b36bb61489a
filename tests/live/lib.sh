# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For tests in real guests: a shell script tests/live/*.t that sources this, prints TAP, and is run by prove.
#
# Guests that a test starts end with it, however it ends. Set from outside: VLP_BUILD, the build directory (build), and
# VLP_KERNEL, a directory made by images/fetch-kernel (the newest of Debian's 6.1 cloud kernels).
set -u

top=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
. "$top/tests/tap.sh"
: "${VLP_BUILD:=$top/build}"
: "${VLP_KERNEL:=$("$top/images/fetch-kernel")}"
export VLP_BUILD VLP_KERNEL
export LIBVIRT_DEFAULT_URI=qemu:///system

work=$(mktemp -d)           # the test's own files
export VIRT_LIVEPATCH_STATE=$work/state VIRT_LIVEPATCH_RUN=$work/run
mkdir "$work/run"
guest=''                    # directory of the guest that was started last
guests=()                   # commands that end guests

clean_up() {
    local stop
    for stop in "${guests[@]}"; do
        $stop
    done
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

# --- Guests

# guest_start [OPTION of run-guest...]: sets $guest, and $qmp to the GUEST argument of virt-livepatch.
guest_start() {
    guest=$("$top/images/run-guest" -o $$ "$@") || give_up "there is no guest to test with"
    qmp=qmp:$guest/qmp.sock
    guests+=("$top/images/stop-guest $guest")
}

# domain_start [OPTION of run-domain...] NAME: sets $guest.
domain_start() {
    guest=$("$top/images/run-domain" -o $$ "$@") || give_up "there is no libvirt domain to test with"
    guests+=("$top/images/stop-domain $guest")
}

# in_guest [OPTION of guest-exec...] COMMAND...: runs a shell command in $guest, with its output and exit status.
in_guest() {
    local options=()
    while [ "${1:0:1}" = - ]; do
        options+=("$1")
        [ "$1" = -t ] && { options+=("$2"); shift; }
        shift
    done
    "$top/images/guest-exec" "${options[@]}" "$guest" "$@"
}

# console_says REGEX SECONDS: waits until a line of the guest's console from now on matches.
console_says() {
    timeout "$2" grep -qEm 1 -- "$1" <(exec tail -n 0 -s 0.1 -F --pid=$$ "$guest/console.log" 2> /dev/null)
}

# qmp_at SOCKET COMMAND [ARGUMENTS-JSON]: one command to a monitor; prints what it returns, or its error.
qmp_at() {
    local answer socket=$1
    coproc monitor { exec socat - "UNIX-CONNECT:$socket"; }
    printf '{"execute":"qmp_capabilities"}{"execute":"%s","arguments":%s,"id":"this"}\n' "$2" "${3:-{\}}" >&"${monitor[1]}"
    answer=$(timeout 60 grep -m 1 '"id": "this"' <&"${monitor[0]}")
    kill "$monitor_PID" && wait "$monitor_PID" 2> /dev/null
    echo "$answer"
    [[ $answer == *'"return"'* ]]
}

# run_state_at SOCKET: QEMU's own word for it.
run_state_at() { qmp_at "$1" query-status | sed -n 's/.*"status": "\([a-z-]*\)".*/\1/p'; }

# monitor_does COMMAND-JSON WORD: one command to the guest's monitor, which has done it when WORD appears. That must not be in
# its answer to the greeting, which is an empty object.
monitor_does() {
    local socket=$guest/qmp.sock
    coproc monitor { exec socat - "UNIX-CONNECT:$socket"; }
    printf '{"execute":"qmp_capabilities"}%s\n' "$1" >&"${monitor[1]}"
    timeout 300 grep -m 1 -- "$2" <&"${monitor[0]}" > /dev/null
    local result=$?
    kill "$monitor_PID" && wait "$monitor_PID" 2> /dev/null
    return $result
}

# console_ever_says REGEX SECONDS: as console_says, from the console's beginning on.
console_ever_says() {
    timeout "$2" grep -qaEm 1 -- "$1" <(exec tail -n +1 -s 0.1 -F --pid=$$ "$guest/console.log" 2> /dev/null)
}

# What a kernel says of its own troubles; with backtraces in a log, one word is not enough: install_special_mapping() is none.
trouble='BUG: |kernel BUG at |WARNING: |UBSAN: |Oops: |general protection fault|detected (expedited )?stall|INFO: task |soft lockup|hard LOCKUP|panic - '

# No oops, no warning, no late heartbeat.
guest_is_quiet() { ! grep -aE "$trouble|Call Trace|late by" "$guest/console.log"; }

# The same, and no heartbeat is missing. The last line may still be on its way.
guest_is_well() {
    local beats
    guest_is_quiet || return 1
    beats=$(grep -aoE '^heartbeat [0-9]+ at ' "$guest/console.log" | cut -d ' ' -f 2)
    [ "$beats" = "$(seq "$(wc -w <<< "$beats")")" ] || { echo "a heartbeat is missing"; return 1; }
    in_guest -t 30 true
}

# listens SOCKET: waits until somebody does. That it is there is not enough: it is made first.
listens() {
    timeout 60 sh -c "until grep -q ' 00010000 .* $1\$' /proc/net/unix; do sleep 0.02; done" || give_up "nobody listens at $1"
}

# stand_still PID: stops a process, all of whose threads stand still when this returns.
stand_still() {
    kill -STOP "$1"
    timeout 60 sh -c "while grep -qsv ') T ' /proc/$1/task/*/stat; do sleep 0.02; done"
}

# witness_start: from now on, the guest watches for how long it stands still. Nothing may pause it before this returns.
witness_start() {
    in_guest 'witness > /run/witness & until grep -q ready /run/witness; do sleep 0.1; done'
}

# witness_stop: prints for how many us the guest stood still since witness_start, and how far wrong that may be.
witness_stop() {
    in_guest 'killall witness; while killall -0 witness 2> /dev/null; do sleep 0.1; done; cat /run/witness' |
        sed -n 's/^total: stood still \(-*[0-9]*\) us (+- \([0-9]*\)).*/\1 \2/p'
}

# --- Parts of a test

# at_once FUNCTION...: runs parts of a test that know nothing of each other at the same time, each in a shell with files and
# guests of its own, and then tells what each has found.
at_once() {
    local part
    local -A running=()
    for part in "$@"; do
        run_part "$part" > "$work/$part.tap" 2> "$work/$part.diagnosis" &
        running[$part]=$!
    done
    for part in "$@"; do
        wait "${running[$part]}"
        tell_part "$part" $?
    done
}

# in_two_lanes FUNCTION LINE...: for each LINE, its words being arguments; one half while the other half is done.
in_two_lanes() {
    lane_function=$1 lane_lines=("${@:2}")
    at_once first_lane second_lane
}
first_lane() { lane 0; }
second_lane() { lane 1; }
lane() {
    local i
    for ((i = $1; i < ${#lane_lines[@]}; i += 2)); do
        # shellcheck disable=SC2086  # words
        "$lane_function" ${lane_lines[i]}
    done
}

# run_part FUNCTION: ends the shell.
run_part() {
    tap_count=0 tap_failed=0 guests=() work=$work/$1
    mkdir "$work"
    trap clean_up EXIT
    trap 'exit 1' HUP INT TERM
    "$1"
    done_testing
}

# tell_part FUNCTION STATUS
tell_part() {
    local before=$tap_failed line
    cat "$work/$1.diagnosis" >&2
    while read -r line; do
        case $line in
            'ok '*) echo "ok $((++tap_count)) ${line#ok * }" ;;
            'not ok '*) echo "not ok $((++tap_count)) ${line#not ok * }" && tap_failed=$((tap_failed + 1)) ;;
        esac
    done < "$work/$1.tap"
    { [ "$2" = 0 ] && grep -q '^1\.\.' "$work/$1.tap"; } || [ $tap_failed -gt "$before" ] ||
        tap_result 1 "$1 comes to its end"
}

# --- The tool

# vlp ARGUMENT...: runs it; sets $status, $out and $err.
vlp() {
    "$VLP_BUILD/virt-livepatch" "$@" > "$work/out" 2> "$work/err"
    status=$?
    out=$(< "$work/out")
    err=$(< "$work/err")
    return $status
}

# both_killed_at NAME N ARGUMENT...: the guard is stopped as it begins, and killed when the tool has been. FALSE if the tool
# got to its end before.
both_killed_at() {
    local name=$1 n=$2 tool guard result
    shift 2
    : > "$work/trace"
    # -D: the tool is our child, and strace is not.
    strace -D -f -o "$work/trace" -e "trace=setsid,$name" -e inject=setsid:signal=SIGSTOP \
        -e "inject=$name:signal=SIGKILL:when=$n" "$VLP_BUILD/virt-livepatch" "$@" > "$work/out" 2> "$work/err" &
    tool=$!
    wait $tool
    result=$?
    guard=$(sed -n 's/ *setsid(.*//p' "$work/trace")
    kill -KILL "$guard"
    timeout 60 sh -c "until grep -q '^$guard +++ killed' '$work/trace'; do sleep 0.02; done"
    [ $result = 137 ]
}

# vlp_exits STATUS NAME ARGUMENT...: runs it, and checks its exit status.
vlp_exits() {
    local expected=$1 name=$2
    shift 2
    vlp "$@"
    [ "$status" = "$expected" ]
    tap_result $? "$name" "virt-livepatch $*"$'\n'"exit status $status, expected $expected"$'\n'"$out"$'\n'"$err"
}

# generation_choose RELEASE: sets $VLP_KERNEL, which has its source, and $compilers, a folder with the compiler that built it.
generation_choose() {
    VLP_KERNEL=$("$top/images/fetch-kernel" --source "$1") || give_up "there is no kernel $1"
    compilers=$("$top/images/fetch-compiler" "$VLP_KERNEL") || give_up "there is no compiler for $1"
}

# make_patch NAME FILE SED-SCRIPT [FILE SED-SCRIPT...]: makes $work/NAME.patch, which does that to files of $VLP_KERNEL's
# source.
make_patch() {
    local name=$1
    source_fetch
    : > "$work/$name.patch"
    while shift && [ $# -gt 0 ]; do
        sed "$2" "$VLP_KERNEL/source/$1" |
            diff -u --label "a/$1" --label "b/$1" "$VLP_KERNEL/source/$1" - >> "$work/$name.patch"
        shift
    done
}

# says STATUS REGEX NAME: what inspect says of a guest that it cannot say more of.
says() {
    vlp_exits "$1" "$3" inspect "$qmp"
    like "$err" "$2" "and it is said so"
    is "$(wc -l <<< "$err")" 1 "in one sentence"
}

# source_fetch: sees to it that $VLP_KERNEL has its source.
source_fetch() {
    [ -e "$VLP_KERNEL/source/Makefile" ] ||
        "$top/images/fetch-kernel" --source "$(< "$VLP_KERNEL/version")" > /dev/null || give_up "there is no kernel source"
}

# create_exits STATUS NAME ARGUMENT...: create for $VLP_KERNEL, which is to make $work/NAME.vlp and to exit so.
create_exits() {
    local expected=$1 name=$2
    shift 2
    source_fetch
    vlp_exits "$expected" "create $name" create --source "$VLP_KERNEL/source" --config "$VLP_KERNEL/config-$(< "$VLP_KERNEL/release")" \
        -o "$work/$name.vlp" "$@"
}

# update_create PATCH NAME [ARGUMENT of create...]: makes $work/NAME.vlp and $work/NAME.id from a source patch ("": from
# none) for $VLP_KERNEL.
update_create() {
    local patch=$1 name=$2
    shift 2
    create_exits 0 "$name" "$@" ${patch:+"$patch"} || give_up "there is nothing to apply"
    "$VLP_BUILD/virt-livepatch" -o json show "$work/$name.vlp" | grep -oE '"id":"[a-z2-7]{8}"' | head -n 1 |
        cut -d '"' -f 4 > "$work/$name.id"
}
