#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Several updates in one guest: on top of each other, in place of each other, side by side in any order.
. "$(dirname "$0")/lib.sh"

text() { in_guest 'ktext | sha256sum'; }
uptime() { in_guest 'cut -d " " -f 3- /proc/uptime'; }
loadavg() { in_guest 'cut -d " " -f 6- /proc/loadavg'; }
id_of() { cat "$work/$1.id"; }

make_patch first fs/proc/uptime.c 's/%02lu\\n/%02lu first\\n/'
make_patch second fs/proc/uptime.c 's/%02lu\\n/%02lu second\\n/' fs/proc/loadavg.c 's/%d\\n/%d second\\n/'
make_patch third fs/proc/uptime.c 's/%02lu\\n/%02lu third\\n/'
for name in first second third; do
    update_create "$work/$name.patch" "$name"
done
guest_start
before=$(text)

# --- One on top of the other
vlp_exits 0 "apply one" apply --settle 0 "$qmp" "$work/first.vlp"
is "$(uptime)" first "it is in force"
only_first=$(text)
vlp_exits 0 "apply another one to the same function" apply --settle 0 "$qmp" "$work/second.vlp"
is "$(uptime) $(loadavg)" "second second" "that is in force"
vlp_exits 0 "and a third" apply --settle 0 "$qmp" "$work/third.vlp"
is "$(uptime) $(loadavg)" "third second" "that is in force, and what it does not change stays"
vlp_exits 0 "view" view "$qmp"
is "$(grep -c ' installed ' <<< "$out")" 3 "shows all three"
like "$out" "uptime_proc_show .*superseded by $(id_of third).*uptime_proc_show .*superseded by $(id_of third)" \
    "and by what the earlier ones are superseded"
vlp_exits 0 "verify" verify "$qmp"
is "$(grep -c intact <<< "$out")" 3 "finds all three intact"
vlp_exits 4 "undo of the first" undo "$qmp" "$(id_of first)"
like "$err" "undo $(id_of third) first" "has to wait for the last"
vlp_exits 4 "undo of the second" undo "$qmp" "$(id_of second)"
like "$err" "undo $(id_of third) first" "too"
is "$(uptime)" third "nothing has changed"
vlp_exits 0 "undo of the third" undo "$qmp" "$(id_of third)"
is "$(uptime)" second "the second is in force again"
vlp_exits 4 "undo of the first" undo "$qmp" "$(id_of first)"
like "$err" "undo $(id_of second) first" "has to wait for the second now"
vlp_exits 0 "undo of the second" undo "$qmp" "$(id_of second)"
is "$(uptime)$(loadavg)" first "the first is in force again"
is "$(text)" "$only_first" "the kernel's text is what it was with the first alone"
vlp_exits 0 "undo of the first" undo "$qmp" "$(id_of first)"
is "$(text)" "$before" "the kernel's text is what it was"

# --- In place of all others
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/first.vlp"
vlp_exits 0 "and another" apply --settle 0 "$qmp" "$work/second.vlp"
vlp_exits 0 "apply a third in place of both" -o json apply --settle 0 --replace "$qmp" "$work/third.vlp"
like "$out" "\"replaced\":\[\"$(id_of first)\",\"$(id_of second)\"\]" "says which went"
is "$(uptime)$(loadavg)" third "it is in force, and what the others did besides is undone"
vlp_exits 0 "view" view "$qmp"
is "$(grep -oE '^[a-z2-7]{8}' <<< "$out")" "$(id_of third)" "shows it alone"
vlp_exits 0 "verify" verify "$qmp"
vlp_exits 0 "undo" undo "$qmp" "$(id_of third)"
is "$(text)" "$before" "the kernel's text is what it was"

# --- All of them
vlp_exits 0 "undo of all where there is none" undo --all "$qmp"
for name in first second third; do
    vlp_exits 0 "apply $name" apply --settle 0 "$qmp" "$work/$name.vlp"
done
vlp_exits 2 "undo of all and of one" undo --all "$qmp" "$(id_of first)"
vlp_exits 2 "undo of none" undo "$qmp"
vlp_exits 0 "undo of all" -o json undo --all "$qmp"
like "$out" '"ids":\["[a-z2-7]{8}","[a-z2-7]{8}","[a-z2-7]{8}"\].*"tries":\{"number":0,' "in one go"
is "$(text)" "$before" "the kernel's text is what it was"
ok "the guest is well" guest_is_well
done_testing
