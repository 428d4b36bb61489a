#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The safe moment, exactly: QEMU's gdb stub stops a vCPU at chosen instructions of a function that is to be replaced and around
# it, and what the guest is at that moment is checked in an image of it.
. "$(dirname "$0")/lib.sh"

# image NAME: makes one; for gdb, while the guest stands at a breakpoint.
image() {
    rm -f "$work/$1"
    monitor_does "{\"execute\":\"dump-guest-memory\",\"arguments\":{\"paging\":false,\"protocol\":\"file:$work/$1\"}}" DUMP_COMPLETED
}
nmi() { qmp_at "$guest/qmp.sock" inject-nmi; }
address() { "$VLP_BUILD/virt-livepatch" symbols "$qmp" "$1" | awk -v name="$1" '$3 == name { print "0x" $1 }'; }

# --- What gdb does: it steps into the function, and on; then an NMI comes at the entry, and one inside.
script() {
    cat <<END
set pagination off
set confirm off
target remote $work/gdb.sock
define image
  printf "\$arg0 %d\\n", \$rip - $function
  shell image \$arg0
end
hbreak *$function
continue
set \$returned = *(unsigned long *) \$rsp
image entry
delete
stepi
image site
stepi
image inside
hbreak *$callee if *(unsigned long *) \$rsp - $function < $size
continue
image callee
delete
hbreak *\$returned
continue
image returned
delete
hbreak *$function
continue
delete
shell nmi
hbreak *$nmi if *(unsigned long *) (\$rdi + 128) == $function
continue
image nmi-at-entry
delete
hbreak *$function
continue
delete
stepi
stepi
shell nmi
hbreak *$nmi if *(unsigned long *) (\$rdi + 128) - $function < $size && *(unsigned long *) (\$rdi + 128) != $function
continue
image nmi-inside
delete
detach
END
}

# moment NAME STATUS WHAT
moment() {
    vlp_exits "$2" "$3" check "core:$work/$1" "$work/uptime.vlp"
    [ "$2" = 0 ] || like "$err" "cat \(pid [0-9]+\) is in uptime_proc_show, at uptime_proc_show\+0x[0-9a-f]+/" "who and where is said"
}

command -v gdb > /dev/null && command -v socat > /dev/null || skip_all "there is no gdb, or no socat"
update_create "$top/images/demo/uptime.patch" uptime
# Of one vCPU, which both the function and the NMIs come to.
guest_start -m 192 -s 1 -- -chardev "socket,id=gdb,path=$work/gdb.sock,server=on,wait=off" -gdb chardev:gdb
in_guest 'while :; do cat /proc/uptime > /dev/null; done 2> /dev/null &'
function=$(address uptime_proc_show) callee=$(address seq_printf) nmi=$(address exc_nmi)
end=$("$VLP_BUILD/virt-livepatch" symbols "$qmp" | awk '$3 == "uptime_proc_show" { at = $1 } at && $1 != at { print "0x" $1; exit }')
size=$((end - function))
script > "$work/script"
export -f image nmi monitor_does qmp_at
export work guest
SHELL=/bin/bash timeout 600 gdb -nx -q -batch -x "$work/script" > "$work/gdb" 2> "$work/gdb.err"
is "$(grep -cE '^(entry 0|site 5|inside [0-9]+|(callee|returned|nmi-at-entry|nmi-inside) -?[0-9]+)$' "$work/gdb")" 7 \
    "gdb has stopped it everywhere"
moment entry 0 "before the first instruction"
moment site 0 "behind the ftrace site, where the jump will be"
moment inside 3 "an instruction further"
moment callee 3 "in a function that it calls"
moment returned 0 "right after it has returned"
moment nmi-at-entry 0 "in an NMI on top of the first instruction"
moment nmi-inside 3 "in an NMI on top of an instruction inside"
ok "the guest is well" guest_is_well
done_testing
