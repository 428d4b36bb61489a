#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Updates of modules, and of a module and vmlinux together: loaded, not loaded, unloaded and loaded again.
. "$(dirname "$0")/lib.sh"

text() { in_guest 'ktext | sha256sum'; }
uptime() { in_guest 'cut -d " " -f 3- /proc/uptime'; }
zram() { in_guest 'cat /sys/block/zram0/initstate /sys/block/zram0/mm_stat' | tr -s ' \n' ' '; }
load() { in_guest "modprobe $1"; }
unload() { in_guest "rmmod $1"; }

old='0 0 0 0 0 0 0 0 0 0 '
new='0 new 0 0 0 0 0 0 0 0 0 new '

# zram refers to zsmalloc, another module; nf_conntrack is made of many objects.
make_patch both fs/proc/uptime.c 's/%02lu\\n/%02lu new\\n/' drivers/block/zram/zram_drv.c '
    /^static ssize_t initstate_show/,/^}/s/%u\\n/%u new\\n/
    /^static ssize_t mm_stat_show/,/^}/s/%8llu\\n/%8llu new\\n/'
make_patch later drivers/block/zram/zram_drv.c '/^static ssize_t initstate_show/,/^}/s/%u\\n/%u later\\n/'
make_patch conntrack net/netfilter/nf_conntrack_standalone.c '/^static int ct_cpu_seq_show/,/^}/s/search_restart\\n/restart\\n/'
for name in both later conntrack; do
    update_create "$work/$name.patch" "$name"
done
both=$(< "$work/both.id") later=$(< "$work/later.id") conntrack=$(< "$work/conntrack.id")
initramfs=$("$top/images/mkinitramfs" --modules 'zram nf_conntrack') || give_up "there is no initramfs with modules"
guest_start -i "$initramfs"
before=$(text)

# --- A module alone
ok "a module is loaded" load nf_conntrack
vlp_exits 0 "apply to a module that is loaded" apply --settle 0 "$qmp" "$work/conntrack.vlp"
like "$(in_guest head -n 1 /proc/net/stat/nf_conntrack)" 'search_restart|expect_delete restart$' "it has a file in /proc"
like "$(in_guest head -n 1 /proc/net/stat/nf_conntrack)" ' restart$' "the new code is in force"
vlp_exits 0 "view" view "$qmp"
like "$out" 'ct_cpu_seq_show of nf_conntrack at 0xffffffffc' "shows function and module"
vlp_exits 0 "verify" verify "$qmp"
vlp_exits 0 "undo" undo "$qmp" "$conntrack"
like "$(in_guest head -n 1 /proc/net/stat/nf_conntrack)" ' search_restart$' "the old code is in force"
unload nf_conntrack
vlp_exits 3 "apply to a module that is not loaded" apply "$qmp" "$work/conntrack.vlp"
like "$err" "module nf_conntrack is not loaded" "names it"
vlp_exits 0 "view" view "$qmp"
is "$out" "" "is empty"

# --- vmlinux and a module: one after the other
unload zram
vlp_exits 0 "apply to vmlinux and a module that is not loaded" apply --settle 0 "$qmp" "$work/both.vlp"
like "$err" "the part for module zram waits" "says that a part waits"
is "$(uptime)" new "the part for vmlinux is in force"
vlp_exits 0 "view" -o json view "$qmp"
like "$out" "\"id\":\"$both\",\"state\":\"installed in part\".*\"waiting\":\[\"zram\"\],\"gone\":\[\]" "says what waits"
vlp_exits 3 "apply again" apply "$qmp" "$work/both.vlp"
like "$err" "the rest of update $both to: module zram is not loaded" "has to wait for the module"
load zram
is "$(zram)" "$old" "the module, loaded, runs its own code"
vlp_exits 0 "view" view "$qmp"
like "$out" "module zram waits; it is loaded by now: apply the update again" "says what to do"
vlp_exits 0 "apply again" apply --settle 0 "$qmp" "$work/both.vlp"
is "$out" "$both" "under the same id"
is "$(zram)" "$new" "the part for the module is in force"
vlp_exits 0 "view" -o json view "$qmp"
like "$out" "\"id\":\"$both\",\"state\":\"installed\".*\"waiting\":\[\],\"gone\":\[\]" "shows it whole"
vlp_exits 4 "apply once more" apply "$qmp" "$work/both.vlp"
like "$err" "installed already" "is refused"

# --- The module goes, comes, goes
unload zram
vlp_exits 0 "view when the module was unloaded" view "$qmp"
like "$out" "initstate_show of zram .*gone with its module" "shows which part went"
like "$out" "module zram was unloaded, and its part went with it; it is not loaded" "and why"
vlp_exits 0 "verify" verify "$qmp"
load zram
is "$(zram)" "$old" "the module, loaded again, runs its own code"
vlp_exits 0 "view" view "$qmp"
like "$out" "module zram was unloaded, and its part went with it; it is loaded by now" "knows that it is another one"
vlp_exits 0 "apply again" apply --settle 0 "$qmp" "$work/both.vlp"
is "$(zram) $(uptime)" "$new new" "all of it is in force"
vlp_exits 0 "view" view "$qmp"
is "$(grep -c initstate_show <<< "$out")" 1 "and nothing is left of the part that went"

# --- On top of each other in a module
vlp_exits 0 "apply another update to the same function" apply --settle 0 "$qmp" "$work/later.vlp"
is "$(zram)" "${new/new/later}" "that is in force"
vlp_exits 4 "undo of the first" undo "$qmp" "$both"
like "$err" "undo $later first" "has to wait for the second"
unload zram
load zram
vlp_exits 0 "undo of the first, when the module has been loaded anew" undo "$qmp" "$both"
vlp_exits 0 "undo of the second" undo "$qmp" "$later"
is "$(zram)$(uptime)" "$old" "nothing is in force"
is "$(text)" "$before" "the kernel's text is what it was"

# --- In one go, and undone in all states of the module
vlp_exits 0 "apply to vmlinux and a module" -o json apply --settle 0 "$qmp" "$work/both.vlp"
like "$out" '"tries":\{"number":0,' "in one pause"
is "$(zram) $(uptime)" "$new new" "all of it is in force"
vlp_exits 0 "undo" -o json undo "$qmp" "$both"
like "$out" '"tries":\{"number":0,' "in one pause"
is "$(zram)$(uptime)" "$old" "all of it is undone"
is "$(text)" "$before" "the kernel's text is what it was"
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/both.vlp"
unload zram
vlp_exits 0 "undo when the module was unloaded" undo "$qmp" "$both"
load zram
is "$(zram)$(uptime)" "$old" "all of it is undone"
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/both.vlp"
unload zram
load zram
vlp_exits 0 "undo when the module was loaded anew" undo "$qmp" "$both"
is "$(zram)$(uptime)" "$old" "all of it is undone"
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/both.vlp"
vlp_exits 0 "apply in place of it" apply --settle 0 --replace "$qmp" "$work/later.vlp"
is "$(zram)$(uptime)" "0 later 0 0 0 0 0 0 0 0 0 " "the other part is undone"
vlp_exits 0 "undo of all" undo --all "$qmp"
vlp_exits 0 "view" view "$qmp"
is "$out$(zram)$(uptime)" "$old" "nothing is installed"
is "$(text)" "$before" "the kernel's text is what it was"
ok "the guest is well" guest_is_well
done_testing
