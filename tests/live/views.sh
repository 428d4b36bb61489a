# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the tool says of a running guest against what the guest says of itself. Sourced behind lib.sh. Each function prints
# what it found and fails if there is a difference; what can change between two looks is told by looking before and after.

# ask_guest COMMAND...: what the guest says. One that does not answer has said nothing, neither right nor wrong: it is asked
# again, and the test says so.
ask_guest() {
    local asked result
    for asked in 1 2 3; do
        in_guest "$@" > "$work/answer"
        result=$?
        case $result in
            124 | 255) diag "the guest did not answer (asked $asked times): $*" ;;
            *) cat "$work/answer"; return $result ;;
        esac
    done
    give_up "the guest does not answer"
}

# --- Modules that come and go while one looks: each has a number in the guest, which changes with each load and unload, and
# is "changing" from before to after. What had the same number before and after a look has not changed meanwhile. The guest's
# own lists, which it does not read in one go, are read under a lock that the moves take too.

# moving_start NAME...: from now on, these are unloaded and loaded again and again. $kernel is the guest's.
moving_start() {
    local name
    moving=("$@")
    ask_guest cat /proc/kallsyms /proc/modules > "$work/settled"
    for name in "$@"; do
        find "$kernel/modules" -name "$name.ko*" -exec sh -c 'case $1 in *.xz) xz -dc "$1" ;; *) cat "$1" ;; esac' - {} \; \
            > "$work/$name.ko"
        nm -a "$work/$name.ko" | sed "s/.* //; s/\$/ [$name]/"
    done > "$work/names"
    in_guest "mkdir -p /run/moving && cd /run/moving && rm -f * && for name in $*; do echo 0 > \$name; done
        touch /run/move; { n=0; while [ -e /run/move ]; do
            for name in $*; do
                n=\$((n + 1)); echo changing > \$name
                until mkdir /run/still; do usleep 20000; done 2> /dev/null
                if [ -d /sys/module/\$name ]; then rmmod \$name; else modprobe \$name; fi
                rmdir /run/still
                echo \$n > \$name
                usleep \$((n * 7919 % 23 * 40000))
            done
        done; for name in $*; do modprobe \$name; done; echo stopped > /run/moving/all; } > /run/moves 2>&1 &"
}

# moving_stop: they are all loaded, and stay.
moving_stop() {
    in_guest 'rm /run/move; until [ -e /run/moving/all ]; do usleep 100000; done; cat /run/moves'
    moving=()
}

numbers='grep . /run/moving/*'

# moved: notes the numbers.
moved() {
    [ "${#moving[@]}" = 0 ] || ask_guest "$numbers" > "$work/numbers"
}

# while_still COMMAND: what the guest says when nothing moves, and the numbers then.
while_still() {
    if [ "${#moving[@]}" = 0 ]; then
        ask_guest "$*"
    else
        ask_guest "until mkdir /run/still; do usleep 20000; done 2> /dev/null; $*; rmdir /run/still; $numbers"
    fi
}

# settled_agree KIND TOOL: all lines in $work/guest and in TOOL, but for modules that moved since $work/numbers were noted, of
# which the tool's are as they can be; see moved.pl.
settled_agree() {
    perl "$top/tests/live/moved.pl" "$1" "$work"/{numbers,settled,names,guest} "$2" "${moving[@]}"
}
moving=()

# symbols_agree: every line of /proc/kallsyms.
symbols_agree() {
    moved || return
    vlp symbols "$qmp" || { echo "$err"; return 1; }
    while_still cat /proc/kallsyms > "$work/guest" || return
    settled_agree symbols "$work/out"
}

# modules_agree: every line of /proc/modules, but for who uses them.
modules_agree() {
    moved || return
    vlp -o json inspect "$qmp" || { echo "$err"; return 1; }
    while_still cat /proc/modules > "$work/guest" || return
    perl -MJSON::PP -0777 -ne '
        my %states = (L => "Live", l => "Loading", u => "Unloading");
        print "$_->{name} $_->{size} 0 - $states{$_->{state}} $_->{base}\n" for @{decode_json($_)->{modules}}' "$work/out" \
        > "$work/found"
    settled_agree modules "$work/found"
}

# sections_agree: every section of every module, and where it is. Nothing may load or unload them meanwhile.
sections_agree() {
    ask_guest 'cd /sys/module && find */sections -type f -exec grep -H "" {} +' > "$work/sections" || return
    sed 's,/sections/\([^:]*\):, \1 ,' "$work/sections" | sort > "$work/guest"
    vlp -o json inspect "$qmp" || { echo "$err"; return 1; }
    perl -MJSON::PP -0777 -ne '
        for my $module (@{decode_json($_)->{modules}}) {
            print "$module->{name} $_->{name} $_->{address}\n" for @{$module->{sections}};
        }' "$work/out" | sort | diff "$work/guest" -
}

# tasks_agree: every task's number, state, name and stack; see views.pl.
tasks_agree() {
    ask_guest views > "$work/before" || return
    vlp tasks "$qmp" && cp "$work/out" "$work/tasks" && vlp stack "$qmp" && cp "$work/out" "$work/stacks" ||
        { echo "$err"; return 1; }
    ask_guest views > "$work/after" || return
    perl "$top/tests/live/views.pl" "$work"/{before,after,tasks,stacks}
}
