# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the tool says of a running guest against what the guest says of itself. Sourced behind lib.sh. Each function prints
# what it found and fails if there is a difference; what can change between two looks is told by looking before and after.

# symbols_agree: every line of /proc/kallsyms. Nothing may load or unload code meanwhile.
symbols_agree() {
    in_guest cat /proc/kallsyms | sort > "$work/guest" && vlp symbols "$qmp" || { echo "$err"; return 1; }
    diff "$work/guest" <(sort "$work/out") || return
    echo "$(wc -l < "$work/guest") symbols"
}

# modules_agree: every line of /proc/modules, but for who uses them. Nothing may load or unload them meanwhile.
modules_agree() {
    local expected found
    expected=$(in_guest cat /proc/modules | awk '{ print $1, $2, $5, $6 }')
    vlp -o json inspect "$qmp" || { echo "$err"; return 1; }
    found=$(perl -MJSON::PP -0777 -ne '
        my %states = (L => "Live", l => "Loading", u => "Unloading");
        print "$_->{name} $_->{size} $states{$_->{state}} $_->{base}\n" for @{decode_json($_)->{modules}}' "$work/out")
    diff <(echo "$expected") <(echo "$found") || return
    echo "$(wc -l <<< "$found") modules"
}

# sections_agree: every section of every module, and where it is. Nothing may load or unload them meanwhile.
sections_agree() {
    in_guest 'cd /sys/module
        for at in */sections/* */sections/.*; do [ ! -f $at ] || echo "${at%%/*} ${at##*/} $(cat $at)"; done' |
        sort > "$work/guest" && [ -s "$work/guest" ] || return
    vlp -o json inspect "$qmp" || { echo "$err"; return 1; }
    perl -MJSON::PP -0777 -ne '
        for my $module (@{decode_json($_)->{modules}}) {
            print "$module->{name} $_->{name} $_->{address}\n" for @{$module->{sections}};
        }' "$work/out" | sort | diff "$work/guest" -
}

# tasks_agree: every task's number, state, name and stack; see views.pl.
tasks_agree() {
    in_guest views > "$work/before" || return
    vlp tasks "$qmp" && cp "$work/out" "$work/tasks" && vlp stack "$qmp" && cp "$work/out" "$work/stacks" ||
        { echo "$err"; return 1; }
    in_guest views > "$work/after" || return
    perl "$top/tests/live/views.pl" "$work"/{before,after,tasks,stacks}
}
