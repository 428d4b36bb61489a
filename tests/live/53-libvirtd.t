#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# libvirtd itself goes away at the worst moment: stopped, or killed and started again, while a guest is paused, with the tool
# killed at that moment or (with VLP_EVERY set: a tool that goes on has to wait until its time is over) not; the tool and its
# guard are killed at the same moment; and a domain moves from one libvirtd to another with what is installed in it. Both
# libvirtd are the test's own, each with directories of its own.
# shellcheck disable=SC2317  # functions that are called by name
[ -n "${VLP_OWN_MOUNTS:-}" ] || VLP_OWN_MOUNTS=1 exec unshare --mount --propagation private -- "$0" "$@"

# own_libvirt CONFIGURATION: what libvirt writes to is empty from now on, in this name space of mounts.
own_libvirt() {
    local directory
    cp -a /etc/libvirt "$1"
    for directory in /run /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do
        mount -t tmpfs -o mode=755 tmpfs "$directory" || return
    done
    mkdir -p /run/lock /var/log/libvirt/qemu
    mount --bind "$1" /etc/libvirt
    virtlogd -d
}

# other WORK: in the process that becomes the other libvirtd.
other() {
    work=$1
    hostname vlp-other
    own_libvirt "$work/other-etc" || exit
    cp -a "$work/boot" /var/lib/libvirt/
    printf '%s = "%s"\n' host_uuid "$(< /proc/sys/kernel/random/uuid)" unix_sock_dir "$work/other" auth_unix_rw none \
        >> /etc/libvirt/libvirtd.conf
    exec libvirtd
}

[ "${1:-}" != other ] || other "$2"
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/both-killed.sh"

answers() { timeout 60 sh -c "until virsh -c '$1' uri > /dev/null 2>&1; do sleep 0.2; done"; }

# libvirtd_start: sets $libvirtd.
libvirtd_start() {
    setsid libvirtd > "$work/libvirtd.log" 2>&1 &
    libvirtd=$!
    answers qemu:///system || give_up "libvirtd does not answer"
}

# other_start: another libvirtd, which takes itself for that of another host; sets $other and $other_uri. What is run by the
# name of $work/there/virt-livepatch runs on that host.
other_start() {
    other_uri="qemu+unix:///system?socket=$work/other/libvirt-sock"
    mkdir -m 777 "$work/between"
    mkdir "$work/there" "$work/other"
    cp -a /var/lib/libvirt/boot "$work/boot"
    unshare --mount --uts --propagation private -- "$0" other "$work" > "$work/other.log" 2>&1 &
    other=$!
    printf '#!/bin/sh\nexec nsenter --target %s --mount --uts -- %s "$@"\n' $other "$VLP_BUILD/virt-livepatch" \
        > "$work/there/virt-livepatch"
    chmod 755 "$work/there/virt-livepatch"
    answers "$other_uri" || give_up "the other libvirtd does not answer: $(< "$work/other.log")"
}

# libvirt_ends: when the test ends, after what else does.
libvirt_ends() {
    [ -z "$other" ] || { virsh -q -c "$other_uri" destroy "$domain"; kill "$(< "/proc/$other/root/run/virtlogd.pid")" "$other"; }
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
    timeout 60 sh -c "until virsh -q domstate $domain | grep -q paused; do sleep 0.1; done"
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
run_state() { timeout 60 virsh -q domstate "$domain" | head -n 1; }
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
        ok "the guest runs by then" in_guest -t 60 true
    fi
    $afterwards
    ok "when libvirtd answers, libvirt sees the guest running" runs
    ok "the tool's guard has ended" guard_ends
    ok "the guest answers" in_guest -t 60 true
    ok "it has all of the update or nothing, and nothing is left on the host" whole
}

stop_it() { stand_still "$libvirtd"; }
let_it_go_on() { kill -CONT "$libvirtd"; }
kill_it() { kill -KILL "$libvirtd"; wait "$libvirtd"; } 2> /dev/null

other=''
command -v strace > /dev/null || skip_all "there is no strace"
update_create "$top/tests/live/patches/three.patch" three
id=$(< "$work/three.id")
own_libvirt "$work/etc" || skip_all "there can be no libvirtd of the test's own here"
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

# --- The tool and its guard killed at the same moment
vlp -q undo "$domain" "$id"
check messages 0 --no-log

# --- From one libvirtd to another, and back to the old code there. Not live: before 9.0, QEMU would lose writes of a guest that it
# emulates.
other_start
vlp -q apply --no-log "$domain" "$work/three.vlp"
virsh -q migrate --bandwidth 1 "$domain" "$other_uri" --migrateuri "unix://$work/between/socket" > "$work/said" 2>&1 &
migration=$!
ok "a migration begins" timeout 60 sh -c "until virsh domjobinfo $domain | grep -q 'Operation: *Outgoing'; do sleep 0.1; done"
vlp_exits 3 "undo meanwhile" undo "$domain" "$id"
like "$err" 'libvirt is migrating it away' "is refused, with the reason"
# Libvirt forgets this if it has yet to tell QEMU of the speed that the migration began with.
while kill -0 $migration 2> /dev/null; do
    virsh -q migrate-setspeed "$domain" 8796093022207 > /dev/null 2>&1
    sleep 0.5
done
wait $migration
tap_result $? "it ends as if nothing had been" "$(< "$work/said")"
vlp_exits 1 "where it was" view "$domain"
like "$err" 'shut off|no domain' "it is no longer"
export LIBVIRT_DEFAULT_URI=$other_uri
ln -sfn "/proc/$other/root$(virsh dumpxml "$domain" | sed -n "s/.*<source mode='bind' path='\(.*\)'\/>.*/\1/p" | head -n 1)" \
    "$guest/ctl.sock"
like "$(in_guest -t 60 cat /proc/uptime)" '^new' "where it is now, it runs the new code"
VLP_BUILD=$work/there vlp_exits 0 "view there" view "$domain"
like "$(< "$work/out")" "$id .*installed" "shows the update"
VLP_BUILD=$work/there vlp_exits 0 "undo there" undo --no-log "$domain" "$id"
unlike "$(in_guest cat /proc/uptime)" '^new' "takes it out"
ok "the guest is quiet" guest_is_quiet
done_testing
