#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The main job on a libvirt domain: unmodified libvirtd, QEMU as its own user, the guest named as virsh names it.
. "$(dirname "$0")/lib.sh"

# typed KEYS: what the shell says on a terminal of its own.
typed() {
    # shellcheck disable=SC2059
    printf "$1" | XDG_CACHE_HOME=$work/cache timeout 60 script -qec "$VLP_BUILD/virt-livepatch" /dev/null > "$work/out"
}

# job_begins NAME OPERATION COMMAND...: has virsh begin a job on the domain that writes to $work/pipe, which takes nothing yet.
job_begins() {
    local name=$1 operation=$2
    shift 2
    rm -f "$work/let-go"
    { until [ -e "$work/let-go" ]; do sleep 0.1; done; cat > /dev/null; } < "$work/pipe" &
    virsh -q "$@" > "$work/job" 2>&1 &
    job=$!
    ok "$name" timeout 60 sh -c "until virsh domjobinfo $domain | grep -q 'Operation: *$operation'; do sleep 0.1; done"
}

# job_ends: lets it write; its exit status. (Not to be run by `ok`, in whose shell it is nobody's child.)
job_ends() {
    touch "$work/let-go"
    wait "$job"
}

# refused_during JOB-IN-WORDS: apply is, and the guest can be looked at.
refused_during() {
    vlp_exits 3 "apply is refused" apply "$domain" "$work/uptime.vlp"
    like "$err" "libvirt is $1" "with the reason"
    vlp_exits 0 "view" view "$domain"
    is "$out" "" "shows that nothing was done"
}

update_create "$top/images/demo/uptime.patch" uptime
domain=vlp-test-$$
domain_start -b anonymous "$domain"
uuid=$(virsh domuuid "$domain" | head -n 1)

vlp_exits 0 "inspect by name" -c qemu:///system inspect "$domain"
like "$out" "$(in_guest uname -r)" "finds its kernel"
vlp_exits 0 "inspect by UUID" inspect "$uuid"
vlp_exits 0 "inspect by id" inspect "$(virsh domid "$domain" | head -n 1)"
vlp_exits 0 "apply" apply "$domain" "$work/uptime.vlp"
is "$out" "$(< "$work/uptime.id")" "prints the id"
like "$(in_guest cat /proc/uptime)" 'idle time of 2 CPUs' "the guest runs the new code"
is "$(virsh domstate "$domain" | head -n 1)" running "libvirt sees the domain running"
vlp_exits 0 "view" view "$domain"
like "$out" "$(< "$work/uptime.id")" "shows it"
vlp_exits 0 "verify" verify "$uuid"
vlp_exits 0 "undo" undo "$domain" "$(< "$work/uptime.id")"
unlike "$(in_guest cat /proc/uptime)" CPUs "the guest runs the old code"
is "$(virsh domstate "$domain" | head -n 1)" running "libvirt sees the domain running"
vlp_exits 1 "a domain that does not exist" inspect vlp-nobody
like "$err" "vlp-nobody" "is named"
vlp_exits 0 "two commands in one argument" "apply $domain '$work/uptime.vlp' ; view $domain"
like "$out" "$(< "$work/uptime.id").*$(< "$work/uptime.id").*installed" "are both done"
ok "a shell, on a terminal" typed "und\t${domain%-*}-\t\t\nlist; view $domain\nquit\n"
like "$(tr -d '\r' < "$work/out")" "virt-livepatch # undo $domain $(< "$work/uptime.id")" \
    "completes the command, the domain and the id of what is installed in it"
unlike "$(in_guest cat /proc/uptime)" CPUs "which is undone"
like "$(< "$work/out")" "$domain.*running.*no update is installed" "and does several commands of a line"
is "$(tail -n 2 "$work/cache/virt-livepatch/history" | head -n 1)" "list; view $domain" "it has a history"
typed 'nosuch\nview vlp-nobody\nexit\n'
is $? 1 "its exit status is that of the last command"
like "$(< "$work/out")" "no command nosuch.*vlp-nobody" "and it goes on after an error"
LIBVIRT_DEFAULT_URI=test:///default vlp_exits 0 "connect, among others" "connect qemu:///system; view $domain"
vlp_exits 2 "connect to another host" "connect qemu+ssh://no.example/system"
like "$err" 'run this on no.example' "is refused, with the advice to run it there"
vlp_exits 2 "a command that does not exist, among others" "list; nosuch"
is "$out" "" "and none of them is run"

mkfifo -m 666 "$work/pipe"
chmod 711 "$work"
job_begins "virsh dumps the domain, which is stopped for that" Dump dump --memory-only "$domain" "$work/pipe"
refused_during "dumping it"
job_ends
tap_result $? "the dump ends as if nothing had been" "$(< "$work/job")"
job_begins "virsh dumps it while it runs" Dump dump --live "$domain" "$work/pipe"
refused_during "dumping it"
job_ends
tap_result $? "the dump ends" "$(< "$work/job")"
job_begins "virsh saves it" Save save "$domain" "$work/pipe"
refused_during "saving it"
ok "that is given up" virsh -q domjobabort "$domain"
job_ends
is "$(virsh domstate "$domain" | head -n 1)" running "and the domain runs"
vlp_exits 0 "afterwards, apply" apply "$domain" "$work/uptime.vlp"
vlp_exits 0 "and undo" undo "$domain" "$(< "$work/uptime.id")"

sleep 0 & wait $!
left=vlp$!
qmp() { virsh qemu-monitor-command "$domain" "$1"; }
directory=$(ls -d /var/lib/libvirt/qemu/domain-*-"$domain")
qmp '{"execute":"chardev-add","arguments":{"id":"'"$left"'","backend":{"type":"socket","data":{"server":true,"wait":false,
    "addr":{"type":"unix","data":{"path":"'"$directory/$left"'"}}}}}}' > "$work/said"
ok "what a run and its guard leave that are killed at the wrong moment" test -S "$directory/$left"
vlp_exits 0 "the next run" inspect "$domain"
ok "takes the socket away" test ! -e "$directory/$left"
unlike "$(qmp '{"execute":"query-chardev"}')" "\"$left\"" "and the device"

virsh -q suspend "$domain"
vlp_exits 3 "a domain that somebody has suspended" apply "$domain" "$work/uptime.vlp"
is "$(virsh domstate "$domain" | head -n 1)" paused "stays suspended"
virsh -q resume "$domain"
ok "the guest is well" guest_is_well

# --- Saved to a file, and restored from it
vlp_exits 0 "apply" apply "$domain" "$work/uptime.vlp"
ok "the domain is saved" virsh -q save "$domain" "$work/saved"
ok "and restored" virsh -q restore "$work/saved"
ln -sfn "$(virsh dumpxml "$domain" | sed -n "s/.*<source mode='bind' path='\(.*\)'\/>.*/\1/p" | head -n 1)" "$guest/ctl.sock"
like "$(in_guest -t 60 cat /proc/uptime)" CPUs "it runs the new code"
vlp_exits 0 "view" view "$domain"
like "$out" "$(< "$work/uptime.id") .*installed" "shows the update"
vlp_exits 0 "verify" verify "$domain"
vlp_exits 0 "undo" undo "$domain" "$(< "$work/uptime.id")"
unlike "$(in_guest cat /proc/uptime)" CPUs "it runs the old code"
ok "the guest is quiet" guest_is_quiet
done_testing
