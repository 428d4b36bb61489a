#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the tool is still permitted once it reads a guest's memory, or a file of a stranger's.
. "$(dirname "$0")/lib.sh"

# of FIELD: what /proc says of the tool.
of() {
    sed -n "s/^$1:[[:space:]]*//p" "/proc/$tool/status"
}

# confined STATUS CAPABILITIES NAME ARGUMENT...: runs the tool, which ends with STATUS, and sees that before its system calls
# are filtered it reads no memory but a byte here and there, to see that it is there, and that it keeps CAPABILITIES
# (an extended regular expression) and runs no other program.
confined() {
    local status=$1 capabilities=$2 name=$3
    shift 3
    timeout 120 strace -f -y -e trace=capset,seccomp,execve,pread64,process_vm_readv,sendmsg -o "$work/trace" \
        "$VLP_BUILD/virt-livepatch" "$@" > "$work/out" 2> "$work/err"
    is $? "$status" "$name ends as it should"
    sed '/SECCOMP_SET_MODE_FILTER, 0, {/,$d' "$work/trace" > "$work/before"
    sed '1,/SECCOMP_SET_MODE_FILTER, 0, {/d' "$work/trace" > "$work/after"
    is "$(grep -E '(/mem>|process_vm_readv).* = ([2-9]|[0-9]{2,})$' "$work/before")" "" \
        "$name reads nothing before its calls are filtered"
    like "$(grep 'capset(' "$work/before")" "effective=$capabilities, permitted=$capabilities," \
        "$name has given up capabilities by then"
    is "$(grep execve "$work/after")" "" "$name runs no other program afterwards"
}

# reads: whether what was run last has read memory at all.
reads() {
    ok "that is when it reads" grep -qE '/mem>|process_vm_readv' "$work/after"
}

command -v strace > /dev/null || skip_all "there is no strace"
update_create "$top/images/demo/uptime.patch" uptime
guest_start
mkfifo "$work/pipe"
exec 3<> "$work/pipe"
"$VLP_BUILD/virt-livepatch" symbols "$qmp" >&3 2> "$work/err" &
tool=$!
# It stands still when the pipe is full, having read the guest's symbols.
until [ "$(cut -d ' ' -f 3 "/proc/$tool/stat")" = S ] && [ "$(of Seccomp)" = 2 ]; do
    kill -0 "$tool" || give_up "it has ended: $(< "$work/err")"
done
is "$(of NoNewPrivs)" 1 "nothing can give it new privileges"
for set in CapEff CapPrm CapInh CapAmb; do
    is "$(of "$set")" 0000000000000000 "it has no capabilities ($set)"
done
is "$(of Seccomp)" 2 "its system calls are filtered"
is "$(readlink "/proc/$tool"/fd/* | grep -c '/mem$')" 1 "it reads memory through a file that was open before"
# Whoever reads must not hold the end that is written to.
timeout 60 cat "$work/pipe" > "$work/symbols" 3>&- &
reader=$!
exec 3>&-
wait "$tool"
is $? 0 "and it comes to its end"
wait "$reader"
is $? 0 "and says that it has"
ok "with all it had to say" test "$(wc -l < "$work/symbols")" -gt 50000

# --- Each command, before it reads
none=0
some='1<<CAP_CHOWN\|1<<CAP_DAC_OVERRIDE\|1<<CAP_FOWNER\|1<<CAP_SYS_PTRACE'
in_guest 'virt-livepatch-agent > /run/agent.log 2>&1 &'
confined 0 "$none" inspect inspect --with-agent "$qmp"
reads
for command in symbols tasks stack view verify; do
    confined 0 "$none" "$command" "$command" "$qmp"
    reads
done
id=$(< "$work/uptime.id")
confined 0 "$some" check check "$qmp" "$work/uptime.vlp"
reads
confined 0 "$some" apply apply "$qmp" "$work/uptime.vlp"
reads
confined 0 "$some" undo undo "$qmp" "$id"
reads
confined 0 "$some" recover recover "$qmp"
reads
confined 0 "$none" show show "$work/uptime.vlp"
cp "$work/uptime.vlp" "$work/image"

# image_confined CAPABILITIES COMMAND KIND [UPDATE]: a file that is none of that kind.
image_confined() {
    confined 4 "$1" "$2 of a memory image ($3)" "$2" "$3:$work/image" "${@:4}"
    is "$(grep -c "pread64.*$work/image>" "$work/before")" 0 "it is not looked into before"
    isnt "$(grep -c "pread64.*$work/image>" "$work/after")" 0 "but afterwards"
}

image_confined "$none" inspect core
image_confined "$none" inspect saved
image_confined "$some" check core "$work/uptime.vlp"
for command in check apply; do
    image_confined "$some" "$command" saved "$work/uptime.vlp"
done
confined 2 "$none" diff diff "$work/uptime.vlp" "$work/uptime.vlp"
"$VLP_BUILD/virt-livepatch-kvm" --bare --memory 16 --control "$work/control" "$VLP_BUILD/tests/vmm/bare-guest" \
    < /dev/null > "$work/letters" 2>&1 &
guests+=("kill $!")
if timeout 60 sh -c "until [ -s $work/letters ]; do sleep 0.1; done"; then
    confined 4 "$none" "an embedded machine" inspect "kvm:$work/control"
    is "$(grep -c 'sendmsg(' "$work/before")" 1 "it is greeted before"
    isnt "$(grep -c 'sendmsg(' "$work/after")" 0 "and looked at afterwards"
fi
ok "the guest is well" guest_is_well
done_testing
