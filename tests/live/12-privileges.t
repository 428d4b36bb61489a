#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the tool is still permitted once it reads a guest's memory.
. "$(dirname "$0")/lib.sh"

# of FIELD: what /proc says of the tool.
of() {
    sed -n "s/^$1:[[:space:]]*//p" "/proc/$tool/status"
}

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
timeout 60 cat "$work/pipe" > "$work/symbols" &
reader=$!
exec 3>&-
wait "$tool"
is $? 0 "and it comes to its end"
wait "$reader"
ok "with all it had to say" test "$(wc -l < "$work/symbols")" -gt 50000
ok "the guest is well" guest_is_well
done_testing
