#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The test guest itself: it boots, answers, keeps time, and tells what other tests compare with.
. "$(dirname "$0")/lib.sh"

# The address of _text in a guest's kernel, and where its vmalloc areas begin, which is moved by other bits. Of the places of the
# first alone there are some 500, so that two guests may well have the same.
places() {
    in_guest "echo 1 > /proc/sys/kernel/kptr_restrict; grep ' T _text$' /proc/kallsyms | cut -d ' ' -f 1
        sed -n '1s/^0x\([0-9a-f]\{10\}\).*/\1/p' /proc/vmallocinfo" | xargs
}

guest_start -n
next=$guest
guest_start
is "$(in_guest uname -r)" "$(< "$VLP_KERNEL/release")" "the guest runs the kernel that was fetched"
in_guest 'echo out; echo err >&2; exit 7' > "$work/out" 2> "$work/err"
is $? 7 "a command's exit status comes back"
is "$(< "$work/out")" out "and its output"
is "$(< "$work/err")" err "and its standard error"
in_guest 'kill -9 $$'
is $? 137 "a command that was killed is told from one that ended"

head -c 3000000 /dev/urandom > "$work/data"
ok "3 MB go in and out again unchanged" cmp "$work/data" <(in_guest -i cat < "$work/data")

in_guest -t 1 'echo $$ > /run/abandoned; sleep 1000' 2> /dev/null
is $? 124 "a command that takes too long is given up"
ok "and ended in the guest" in_guest '! kill -0 $(cat /run/abandoned)'

is "$(in_guest nproc)" 2 "it has two vCPUs"
in_guest cat /proc/kallsyms > "$work/kallsyms"
ok "kallsyms comes over whole" test "$(wc -l < "$work/kallsyms")" = "$(in_guest 'wc -l < /proc/kallsyms')"
like "$(tail -n 1 "$work/kallsyms")" '^ffffffff[0-9a-f]{8} . .*\[virtio' "with the addresses, and those of modules"
like "$(in_guest lsmod)" virtio_console "a module is loaded"
ok "the heart beats" console_says '^heartbeat [0-9]+ at' 30

ok "the witness watches" witness_start
read -r stood error < <(witness_stop)
ok "nothing paused the guest, and the witness says so ($stood us, +- $error)" test "${stood#-}" -le $((error + 20))

first=$(places)
like "$first" '^ffffffff[0-9a-f]{8} ff[0-9a-f]{8}$' "its kernel and its memory have their places"
unlike "$first" '^ffffffff81000000 (ffffc90000|ffa0000000)$' "KASLR moved them"
ok "the guest is well" guest_is_well
guest=$next
ok "there is another guest" in_guest -t 180 true
isnt "$(places)" "$first" "in which they are elsewhere"
done_testing
