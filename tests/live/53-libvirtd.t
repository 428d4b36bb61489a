#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# libvirtd itself goes away at the worst moment: stopped, or killed and started again, while a guest is paused, with the tool
# killed at that moment or (with VLP_EVERY set: a tool that goes on has to wait until its time is over) not. It is one of the
# test's own, with directories of its own.
# shellcheck disable=SC2317  # functions that are called by name
[ -n "${VLP_OWN_MOUNTS:-}" ] || VLP_OWN_MOUNTS=1 exec unshare --mount --propagation private -- "$0" "$@"

# own_libvirt: what libvirt writes to is empty from now on, in this name space of mounts.
own_libvirt() {
    local directory
    cp -a /etc/libvirt "$work/etc"
    for directory in /run /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do
        mount -t tmpfs -o mode=755 tmpfs "$directory" || return
    done
    mkdir -p /run/lock /var/log/libvirt/qemu
    mount --bind "$work/etc" /etc/libvirt
    virtlogd -d
}

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/both-killed.sh"

# libvirtd_start: sets $libvirtd.
libvirtd_start() {
    setsid libvirtd > "$work/libvirtd.log" 2>&1 &
    libvirtd=$!
    timeout 60 sh -c 'until virsh uri > /dev/null 2>&1; do sleep 0.2; done' || give_up "libvirtd does not answer"
}

# libvirt_ends: when the test ends, after what else does.
libvirt_ends() {
    kill "$(< /run/virtlogd.pid)" "$libvirtd"
    wait "$libvirtd"
} > /dev/null 2>&1

# in_pause ARGUMENT...: runs the tool until it has stopped the guest to commit, and leaves it there; sets $tracer and $tool.
in_pause() {
    : > "$work/trace"
    strace -o "$work/trace" -e trace=connect -e "inject=connect:signal=SIGSTOP:when=$n_connects" \
        "$VLP_BUILD/virt-livepatch" "$@" > "$work/out" 2> "$work/err" &
    tracer=$!
    timeout 60 grep -qm 1 'stopped by SIGSTOP' <(exec tail -n +1 -s 0.1 -F --pid=$$ "$work/trace" 2> /dev/null) || return
    tool=$(pgrep -P $tracer)
    timeout 20 sh -c "until virsh -q domstate $domain | grep -q paused; do sleep 0.1; done"
}

# tool_ends: sets $status and $err. A minute is what its timeouts add up to at most.
tool_ends() {
    kill -CONT "$tool"
    timeout 60 tail -f /dev/null --pid="$tool" || return
    wait $tracer
    status=$?
    err=$(< "$work/err")
}

# Of the guards that there are, those of this name space of mounts are the test's own.
guards() {
    local pid
    for pid in $(pgrep -x vmm-guard); do
        [ ! "/proc/$pid/ns/mnt" -ef /proc/self/ns/mnt ] || echo "$pid"
    done
}
guard_ends() {
    local i
    for i in $(seq 600); do
        [ -n "$(guards)" ] || return 0
        sleep 0.1
    done
    return 1
}
run_state() { timeout 20 virsh -q domstate "$domain" | head -n 1; }
runs() { timeout 60 sh -c "until virsh -q domstate $domain | grep -q running; do sleep 0.1; done"; }

# whole: the update is there or not, nothing of it is left half done, and nothing is left on the host.
whole() {
    vlp -q recover "$domain" || { echo "recover: $status $err"; return 1; }
    case $(state) in
        old | new) ;;
        *) state; return 1 ;;
    esac
    ! ls /var/lib/libvirt/qemu/domain-*/vlp* 2> /dev/null && ! virsh qemu-monitor-command "$domain" \
        '{"execute":"query-chardev"}' | grep -oE '"label":"(gdb|vlp[^"]*)"'
}

# hit HOW AFTERWARDS TOOL: in a pause, HOW is done to libvirtd, TOOL to the tool, and then AFTERWARDS.
hit() {
    local how=$1 afterwards=$2 what=$3
    vlp -q undo "$domain" "$id"
    in_pause -q apply --no-log --settle 0 "$domain" "$work/three.vlp"
    tap_result $? "in a pause" "$(< "$work/err")"
    $how
    if [ "$what" = killed ]; then
        kill -KILL "$tool"
        wait $tracer 2> /dev/null
    else
        tool_ends
        tap_result $? "the tool ends within a minute"
        diag "exit status $status: $err"
        ok "the guest runs by then" in_guest -t 20 true
    fi
    $afterwards
    ok "when libvirtd answers, libvirt sees the guest running" runs
    ok "the tool's guard has ended" guard_ends
    ok "the guest answers" in_guest -t 60 true
    ok "it has all of the update or nothing, and nothing is left on the host" whole
}

stop_it() { kill -STOP "$libvirtd"; }
let_it_go_on() { kill -CONT "$libvirtd"; }
kill_it() { kill -KILL "$libvirtd"; wait "$libvirtd"; } 2> /dev/null

command -v strace > /dev/null || skip_all "there is no strace"
update_create "$top/tests/live/patches/three.patch" three
id=$(< "$work/three.id")
own_libvirt || skip_all "there can be no libvirtd of the test's own here"
libvirtd_start
domain=vlp-moved-$$
chmod 711 "$work"
domain_start -m 256 "$domain"
guests+=(libvirt_ends)
target=$domain
old=$(digest)
strace -o "$work/trace" -e trace=connect "$VLP_BUILD/virt-livepatch" -q apply --no-log --settle 0 "$domain" "$work/three.vlp" \
    > "$work/out"
n_connects=$(grep -n 'vlp\.gdb' "$work/trace" | tail -n 1 | cut -d : -f 1)
isnt "$n_connects" "" "the tool's last pause is where it commits"
new=$(digest)

# --- Nobody at work
stop_it
SECONDS=0
vlp_exits 1 "libvirtd stopped: inspect" inspect "$domain"
like "$err" 'no answer through libvirt' "is an error"
vlp_exits 1 "list" list
like "$err" 'no answer through libvirt' "too"
ok "within seconds" test $SECONDS -lt 40
let_it_go_on
vlp_exits 0 "libvirtd going on: view" view "$domain"

# --- In a pause
if [ -n "$VLP_EVERY" ]; then
    hit stop_it let_it_go_on continued
    hit kill_it libvirtd_start continued
fi
hit stop_it let_it_go_on killed
hit kill_it libvirtd_start killed

ok "the guest is quiet" guest_is_quiet
done_testing
