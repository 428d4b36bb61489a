#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Updates that change data, without code: what was asked for with --set, of the kernel and of a module, and initial values
# that a source patch changes. What the guest says of them, and what it makes of them itself.
. "$(dirname "$0")/lib.sh"
. "$top/tests/live/names.sh"

image() { "$VLP_BUILD/tests/live/image-digest" "$qmp"; }
sysctls() { in_guest 'cd /proc/sys/kernel && cat panic_on_oops hung_task_warnings domainname' | paste -sd ' '; }
oopses() { in_guest cat /proc/sys/kernel/oops_limit; }
set_warnings() { in_guest "echo $1 > /proc/sys/kernel/hung_task_warnings"; }
devices() { in_guest head -n 1 /proc/devices; }
expect_max() { in_guest cat /proc/sys/net/netfilter/nf_conntrack_expect_max; }

cat > "$work/settings" <<'END'
# A flag that a boot parameter sets, a default, and a text.
kernel/panic.c:panic_on_oops=true
kernel/hung_task.c:sysctl_hung_task_warnings = 77
END
create_exits 2 bad-space --set-file "$work/settings"
like "$err" "settings:3: " "says which line of a file it does not understand"
sed -i 's/ = /=/; s/=true/=1/' "$work/settings"
update_create "" three --set-file "$work/settings" --set 'init/version.c:init_uts_ns.name.domainname="patched"'
echo kernel/hung_task.c:sysctl_hung_task_warnings=77 > "$work/warnings"
update_create "" two --set kernel/hung_task.c:sysctl_hung_task_warnings=88
update_create "" one --set kernel/hung_task.c:sysctl_hung_task_warnings=66
update_create "" far --set 'init/init_task.c:init_task.nsproxy->uts_ns->name.domainname="(none)":"far"'
update_create "" show --set 'fs/proc/devices.c:devinfo_ops.show=&show_softirqs'
three=$(< "$work/three.id") two=$(< "$work/two.id") one=$(< "$work/one.id")

# --- What create says
create_exits 2 no-file --set panic_on_oops=1
like "$err" "no file that the patch changes has such a variable" "a variable needs its file"
create_exits 2 no-such --set kernel/panic.c:panic_on_ooops=1
like "$err" "has no such variable" "and has to be there"
create_exits 2 no-member --set init/version.c:init_uts_ns.name.domain=1
like "$err" "no member domain" "as has a member"
create_exits 2 wide --set kernel/panic.c:panic_on_oops=0x100000000
like "$err" "does not fit into 32 bits" "a number has to fit"
create_exits 4 per-cpu --set kernel/softirq.c:ksoftirqd=NULL
like "$err" "per-CPU data" "per-CPU data are refused by name"
create_exits 2 key --set kernel/freezer.c:freezer_active=1
like "$err" "static key" "and a static key"

# --- Set, look, undo
initramfs=$("$top/images/mkinitramfs" --modules nf_conntrack) || give_up "there is no initramfs with modules"
guest_start -i "$initramfs" -m 256
old=$(image)
is "$(sysctls)" "0 10 (none)" "the guest has its defaults"
vlp_exits 0 "check" check "$qmp" "$work/three.vlp"
like "$out" "fits .*: 3 data" "says how many data"
is "$(sysctls)" "0 10 (none)" "and changes none"
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/three.vlp"
is "$(sysctls)" "1 77 patched" "the guest has the new values"
vlp_exits 0 "view" view "$qmp"
like "$out" "sysctl_hung_task_warnings at 0x[0-9a-f]*, 77 in place of 10" "shows them"
vlp_exits 0 "verify" verify "$qmp"
vlp_exits 4 "apply again" apply "$qmp" "$work/three.vlp"
vlp_exits 0 "undo" undo "$qmp" "$three"
is "$(sysctls)" "0 10 (none)" "the guest has the old values"
is "$(image)" "$old" "nothing is left"

# --- What the guest does to them
set_warnings 5
vlp_exits 4 "apply where the guest has another value" apply "$qmp" "$work/three.vlp"
like "$err" "sysctl_hung_task_warnings, at 0x[0-9a-f]*, holds 5, and the update expects 10" "names it, and both values"
is "$(sysctls)" "0 5 (none)" "and changes nothing"
set_warnings 10
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/three.vlp"
set_warnings -1
vlp_exits 1 "verify" verify "$qmp"
like "$out" "sysctl_hung_task_warnings, at 0x[0-9a-f]*, holds -1, not the 77" "says what the guest has made of it"
vlp_exits 0 "view" view "$qmp"
like "$out" "77 in place of 10, altered: holds -1" "too"
vlp_exits 4 "apply on top of that" apply "$qmp" "$work/two.vlp"
like "$err" "holds -1, and the update expects 10" "is refused"
vlp_exits 4 "undo" undo "$qmp" "$three"
like "$err" "holds -1, not the 77 that update $three has put there.*undo --keep-data" "is refused"
is "$(sysctls)" "1 -1 patched" "and changes nothing"
vlp_exits 0 "undo --keep-data" undo --keep-data "$qmp" "$three"
like "$err" "sysctl_hung_task_warnings holds -1, which the guest has put there, and keeps it" "says so"
is "$(sysctls)" "0 -1 (none)" "leaves the guest what is its own"
set_warnings 10
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/three.vlp"
set_warnings 10
vlp_exits 0 "undo of what the guest has undone itself" undo "$qmp" "$three"
is "$(sysctls)" "0 10 (none)" "is no more than that"
is "$(image)" "$old" "nothing is left"

# --- Several updates of one datum
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/three.vlp"
vlp_exits 0 "apply another one" apply --settle 0 "$qmp" "$work/two.vlp"
is "$(sysctls)" "1 88 patched" "the later one is in force"
vlp_exits 0 "view" view "$qmp"
like "$out" "77 in place of 10, superseded" "shows that"
vlp_exits 0 "verify" verify "$qmp"
vlp_exits 4 "undo of the first" undo "$qmp" "$three"
like "$err" "update $two was applied after $three and changes sysctl_hung_task_warnings too: undo $two first" "says why not"
vlp_exits 0 "undo of the second" undo "$qmp" "$two"
is "$(sysctls)" "1 77 patched" "leaves the first"
vlp_exits 0 "apply the second again" apply --settle 0 "$qmp" "$work/two.vlp"
vlp_exits 0 "apply --replace" apply --settle 0 --replace "$qmp" "$work/one.vlp"
is "$(sysctls)" "0 66 (none)" "leaves but one"
vlp_exits 0 "undo" undo "$qmp" "$one"
is "$(sysctls)" "0 10 (none)" "and that has the kernel's own value"
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/two.vlp"
vlp_exits 0 "apply another one" apply --settle 0 "$qmp" "$work/three.vlp"
vlp_exits 0 "undo --all" undo --all "$qmp"
is "$(sysctls)" "0 10 (none)" "has the kernel's own values"
is "$(image)" "$old" "nothing is left"

# --- Behind pointers, pointers, and in a module
vlp_exits 0 "apply to what pointers lead to" apply --settle 0 "$qmp" "$work/far.vlp"
is "$(sysctls)" "0 10 far" "is in force"
vlp_exits 0 "verify" verify "$qmp"
vlp_exits 0 "apply to the same by its name" apply --settle 0 "$qmp" "$work/three.vlp"
is "$(sysctls)" "1 77 patched" "is in force"
vlp_exits 0 "verify" verify "$qmp"
vlp_exits 0 "undo" undo --all "$qmp"
is "$(sysctls)" "0 10 (none)" "has the old value"
vlp_exits 0 "apply to a pointer of a constant table, which no running code names" apply --settle 0 "$qmp" "$work/show.vlp"
like "$(devices)" "CPU0" "is in force"
vlp_exits 0 "undo" undo --all "$qmp"
is "$(devices)" "Character devices:" "has the old one"
in_guest modprobe nf_conntrack
max=$(expect_max)
update_create "" module --set "net/netfilter/nf_conntrack_expect.c:nf_ct_expect_max=$max:99"
vlp_exits 0 "apply to a module" apply --settle 0 "$qmp" "$work/module.vlp"
is "$(expect_max)" 99 "is in force"
vlp_exits 0 "view" view "$qmp"
like "$out" "nf_ct_expect_max of nf_conntrack at 0x[0-9a-f]*, 99 in place of $max" "shows it"
vlp_exits 0 "verify" verify "$qmp"
vlp_exits 0 "undo" undo --all "$qmp"
is "$(expect_max)" "$max" "has the old value"
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/module.vlp"
in_guest rmmod nf_conntrack
vlp_exits 0 "view" view "$qmp"
like "$out" "module nf_conntrack was unloaded, and its part went with it" "knows when it was unloaded"
vlp_exits 0 "undo" undo --all "$qmp"
vlp_exits 3 "apply to a module that is not loaded" apply "$qmp" "$work/module.vlp"
is "$(image)" "$old" "nothing is left"

# --- What follows from a source patch
make_patch limit kernel/exit.c 's/oops_limit = 10000/oops_limit = 4711/'
make_patch devices fs/proc/devices.c '
    /^static const struct seq_operations devinfo_ops/i\
static int devinfo_show_new(struct seq_file *f, void *v)\
{\
    if (*(loff_t *) v == 0)\
        seq_puts(f, "new\\n");\
    return devinfo_show(f, v);\
}\

    s/\.show  = devinfo_show$/.show = devinfo_show_new/'
make_patch warnings kernel/hung_task.c 's/sysctl_hung_task_warnings = 10/sysctl_hung_task_warnings = 99/'
update_create "$work/limit.patch" limit
like "$out" "oops_limit  *10000 -> 4711  its initial value changed" "a variable of its own: create changes it"
like "$err" "oops_limit gets its new initial value where it is" "and says what that is not"
update_create "$work/devices.patch" devices
like "$out" "devinfo_ops.show  *&devinfo_show -> &devinfo_show_new" "a table that was told to others at boot"
create_exits 4 warnings "$work/warnings.patch"
like "$err" "sysctl_hung_task_warnings.*other files.*--force data" "a variable that other files see: that it is right is not known"
update_create "$work/warnings.patch" warnings --force data
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/limit.vlp"
is "$(oopses)" 4711 "the variable has its new value"
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/devices.vlp"
is "$(devices)" new "the table leads to the new function"
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/warnings.vlp"
is "$(sysctls)" "0 99 (none)" "what was forced is in force"
vlp_exits 0 "verify" verify "$qmp"
vlp_exits 0 "undo" undo --all "$qmp"
is "$(oopses) $(devices) $(sysctls)" "10000 Character devices: 0 10 (none)" "all have their old values"

# --- A callback where none was, in what the kernel wrote to before it became read-only
make_patch callback net/ipv4/tcp_metrics.c '/^static struct genl_family tcp_metrics_nl_family __ro/i\
static int vlp_pre(const struct genl_ops *ops, struct sk_buff *skb, struct genl_info *info)\
{\
	return 0;\
}\

/^static struct genl_family tcp_metrics_nl_family __ro/,/^};/s/^\t\.netnsok/\t.pre_doit = vlp_pre,\n&/'
update_create "$work/callback.patch" callback
old=$(image)
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/callback.vlp"
vlp_exits 0 "verify" verify "$qmp"
vlp_exits 0 "undo" undo --all "$qmp"
is "$(image)" "$old" "nothing is left"

# --- A callback in a table that the kernel may write to, which the new code gives away as well
make_patch handler kernel/utsname_sysctl.c '/^static struct ctl_table uts_kern_table/i\
static int vlp_do_uts(struct ctl_table *table, int write, void *buffer, size_t *lenp, loff_t *ppos)\
{\
	pr_info("here is %ps\\n", vlp_do_uts);\
	return proc_do_uts_string(table, write, buffer, lenp, ppos);\
}\

/\.procname.*"domainname"/,/proc_handler/s/= proc_do_uts_string/= vlp_do_uts/'
update_create "$work/handler.patch" handler
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/handler.vlp"
like "$(in_guest 'cat /proc/sys/kernel/domainname; dmesg')" "here is vlp_do_uts" "the table leads to the new function"
vlp_exits 0 "undo" undo --all "$qmp"
is "$(image)" "$old" "nothing is left"

# --- Constants that new code gives to objects, which outlive the update
names_create
vlp show "$work/names.vlp"
is "$(grep -c 'leaves it there after undo' <<< "$out")" 3 "show tells of three constants that are to stay, and of none that is only read"
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/names.vlp"
network meanwhile
is "$(settings meanwhile)" "$settings_by_names" "an object has a name and numbers that the new code has given it"
vlp_exits 0 "undo" undo "$qmp" "$names"
like "$err" "26 bytes of constants of update $names stay in the guest" "says what it leaves"
is "$(settings meanwhile)" "$settings_by_names" "the object has its name, and its numbers"
vlp_exits 0 "view" view "$qmp"
like "$err" ": $names is undone; 26 bytes of constants, in 4 KiB at 0x" "shows them"
is "$(image)" "$old" "nothing else is left"
vlp_exits 0 "apply again" apply --settle 0 "$qmp" "$work/names.vlp"
network again
vlp_exits 0 "verify" verify "$qmp"
vlp_exits 0 "undo" undo "$qmp" "$names"
unlike "$err" "stay in the guest" "leaves no more than there was"
is "$(settings again), $(settings meanwhile)" "$settings_by_names, $settings_by_names" "which is what both objects use"
vlp_exits 0 "undo --all" undo --all "$qmp"
vlp_exits 0 "recover" recover "$qmp"
vlp_exits 0 "view" view "$qmp"
is "$(grep -c ": $names is undone; 26 bytes of constants, in 4 KiB" <<< "$err")/$(grep -c "bytes of constants" <<< "$err")/$out" 1/1/ "and is there all the same"
is "$(settings meanwhile)" "$settings_by_names" "for whoever uses it"
is "$(image)" "$old" "nothing else is left"

# --- Variables that it gives to them, too, and a table that leads to its own code
labels_create
like "$err" "vlp_notes, which new code may give to objects, leads to vlp_note, which is gone after undo" "create names a table that leads to code"
vlp show "$work/labels.vlp"
is "$(sed -n 's/^  places   \(vlp_[a-z]*\) .* \(data\|bss\), and leaves it there after undo$/\1/p' <<< "$out" | sort | xargs)" \
    "vlp_highest vlp_label vlp_notes" "show tells of the variables that are to stay"
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/labels.vlp"
network labelled
is "$(settings labelled)" "$settings_by_labels" "an object has a name and a number that are variables of the new code's"
is "$(note labelled)" "Invalid cross-device link" "and calls a function of it"
vlp_exits 0 "undo" undo "$qmp" "$labels"
like "$err" "148 bytes of variables \(vlp_[^)]*\) of update $labels stay in the guest" "says what it leaves"
like "$err" "vlp_notes of update $labels, which stays, led to code of it" "and what of that is not as it was"
is "$(settings labelled)" "$settings_by_labels" "the object has its name, and its number"
is "$(note labelled)" "Invalid argument" "and no function"
is "$(image)" "$old" "nothing else is left"
vlp_exits 0 "view" -o json view "$qmp"
is "$(grep -o '"name": *"vlp_[a-z]*"' <<< "$out" | sort | tr -d ' ' | xargs)" "name:vlp_highest name:vlp_label name:vlp_notes" "names the variables"
vlp_exits 0 "apply again" apply --settle 0 "$qmp" "$work/labels.vlp"
network relabelled
vlp_exits 0 "verify" verify "$qmp"
vlp_exits 0 "undo" undo "$qmp" "$labels"
vlp_exits 0 "recover" recover "$qmp"
is "$(settings relabelled), $(settings labelled)" "$settings_by_labels, $settings_by_labels" "both objects have what they got"
vlp_exits 0 "view" view "$qmp"
is "$(grep -c ": $labels is undone; .*148 bytes of variables (" <<< "$err")" 2 "each time with variables of its own"
is "$(image)" "$old" "nothing else is left"

in_guest 'echo 7 > /proc/sys/kernel/oops_limit'
vlp_exits 4 "apply where the guest has another value" apply "$qmp" "$work/limit.vlp"
like "$err" "oops_limit, at 0x[0-9a-f]*, holds 7, and the update expects 10000" "names it, and both values"
ok "the guest is well" guest_is_well

# --- A later kernel
VLP_KERNEL=$("$top/images/fetch-kernel" --suite bookworm-backports 6.12) || give_up "there is no later kernel"
update_create "" later --set kernel/panic.c:panic_on_oops=1 --set-file "$work/warnings"
make_patch limit kernel/exit.c 's/oops_limit = 10000/oops_limit = 4711/'
update_create "$work/limit.patch" limit
guest_start -k "$VLP_KERNEL" -m 256
like "$(in_guest uname -r)" "^6\.12\." "there is a guest with it"
old=$(image)
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/later.vlp"
vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/limit.vlp"
is "$(oopses) $(sysctls)" "4711 1 77 (none)" "both are in force"
vlp_exits 0 "verify" verify "$qmp"
set_warnings 5
vlp_exits 1 "verify" verify "$qmp"
vlp_exits 4 "undo" undo --all "$qmp"
like "$err" "sysctl_hung_task_warnings holds 5, not the 77" "is refused"
set_warnings 77
vlp_exits 0 "undo" undo --all "$qmp"
is "$(oopses) $(sysctls)" "10000 0 10 (none)" "all have their old values"
is "$(image)" "$old" "nothing is left"

# --- A table of callbacks that code gives to what is opened
make_patch maps fs/proc/task_mmu.c '/^static const struct seq_operations proc_pid_maps_op/i\
static int show_other(struct seq_file *m, void *v)\
{\
	seq_puts(m, "other\\n");\
	return show_map(m, v);\
}
/^static const struct seq_operations proc_pid_maps_op/,/^}/s/show_map$/show_other/'
update_create "$work/maps.patch" maps
open_maps() {
    in_guest "cd /run; mkfifo $1 $1.opened $1.lines; { exec 5< /proc/1/maps; echo > $1.opened; read _ < $1
        head -n 1 <&5 > $1.lines; } < /dev/null > /dev/null 2>&1 & read _ < /run/$1.opened"
}
read_maps() { in_guest "cd /run && echo > $1 && cat $1.lines"; }
open_maps before
vlp_exits 0 "apply" apply "$qmp" "$work/maps.vlp"
is "$(read_maps before)" other "what was opened before calls the new function"
open_maps meanwhile
vlp_exits 0 "undo" undo "$qmp" "$(< "$work/maps.id")"
like "$(read_maps meanwhile)" '^[0-9a-f]+-[0-9a-f]+ ' "what was opened meanwhile calls the old one"
is "$(image)" "$old" "nothing is left"
ok "the guest is well" guest_is_well
done_testing
