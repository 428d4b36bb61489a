#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A small kernel built from the distribution's source, which unwinds by frame pointers: there is no ORC, and stacks are what
# the guest says they are all the same.
. "$(dirname "$0")/lib.sh"
. "$top/tests/live/views.sh"

"$top/images/fetch-kernel" --source 6.1 > /dev/null || skip_all "there is no kernel source to build from"
kernel=$("$top/images/build-kernel" frame-pointer) || give_up "there is no kernel with frame pointers"
guest_start -k "$kernel"
is "$(vlp symbols "$qmp" '__start_orc_unwind*' && echo "$out")" "" "there is no ORC"
in_guest 'churn -n 2 > /run/churn 2>&1 & for kind in pipe vfork; do sleeper $kind > /dev/null & done'
ok "all symbols equal /proc/kallsyms" symbols_agree
ok "the tasks, and the stacks of those that sleep, are what the guest says" tasks_agree
vlp_exits 0 "stack" stack "$qmp"
unlike "$(sed '/^vCPU/,$d' "$work/out")" '\[<0>\] \?|not unwound' "every frame of a sleeping task is certain"
ok "the guest is well" guest_is_well
done_testing
