#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Ten updates of different functions, in any order of coming and going; and chains of updates of one function.
. "$(dirname "$0")/lib.sh"
: "${VLP_ROUNDS:=3}"

text() { in_guest 'ktext | sha256sum'; }

# Each file in /proc, its function's source, the function, and what that writes to.
updates=(
    'uptime      fs/proc/uptime.c     uptime_proc_show m'
    'loadavg     fs/proc/loadavg.c    loadavg_proc_show m'
    'version     fs/proc/version.c    version_proc_show m'
    'cmdline     fs/proc/cmdline.c    cmdline_proc_show m'
    'meminfo     fs/proc/meminfo.c    meminfo_proc_show m'
    'execdomains kernel/exec_domain.c execdomains_proc_show m'
    'filesystems fs/filesystems.c     filesystems_proc_show m'
    'crypto      crypto/proc.c        c_show m'
    'devices     fs/proc/devices.c    devinfo_show f'
    'misc        drivers/char/misc.c  misc_seq_show seq'
)
files=()

# new_files: those that are patched, as the guest's user sees it.
new_files() {
    in_guest "cd /proc && grep -lx 'new update' ${files[*]} | sort | xargs"
}

# round N: applies all in a random order, takes some out in between, and the rest in another random order.
round() {
    local name installed=()
    for name in $(shuf -e "${files[@]}"); do
        vlp -q apply --settle 0 "$qmp" "$work/$name.vlp" || { echo "round $1, apply $name: $err"; return 1; }
        installed+=("$name")
        [ $((RANDOM % 3)) = 0 ] || continue
        name=${installed[RANDOM % ${#installed[@]}]}
        vlp -q undo "$qmp" "$(< "$work/$name.id")" || { echo "round $1, undo $name: $err"; return 1; }
        vlp -q apply --settle 0 "$qmp" "$work/$name.vlp" || { echo "round $1, apply $name again: $err"; return 1; }
    done
    [ "$(new_files)" = "$(printf '%s\n' "${files[@]}" | sort | xargs)" ] || { echo "round $1: in force: $(new_files)"; return 1; }
    vlp verify "$qmp" || { echo "round $1, verify: $out $err"; return 1; }
    for name in $(shuf -e "${files[@]}"); do
        vlp -q undo "$qmp" "$(< "$work/$name.id")" || { echo "round $1, undo $name: $err"; return 1; }
    done
    [ "$(new_files)" = "" ] || { echo "round $1: still in force: $(new_files)"; return 1; }
}

# chain N: three updates of one function on top of each other, and back by a random number of them each time.
chain() {
    local depth=0 step
    for step in $(seq 12); do
        if [ "$depth" = 0 ] || { [ "$depth" -lt 3 ] && [ $((RANDOM % 2)) = 0 ]; }; then
            depth=$((depth + 1))
            vlp -q apply --settle 0 "$qmp" "$work/level$depth.vlp" || { echo "chain $1, step $step: $err"; return 1; }
        else
            vlp -q undo "$qmp" "$(< "$work/level$depth.id")" || { echo "chain $1, step $step: $err"; return 1; }
            depth=$((depth - 1))
        fi
        [ "$(in_guest 'cut -d " " -f 3- /proc/uptime')" = "$([ "$depth" = 0 ] || echo "level $depth")" ] ||
            { echo "chain $1, step $step: not at level $depth"; return 1; }
    done
    vlp -q undo --all "$qmp" || { echo "chain $1, undo of all: $err"; return 1; }
}

# What updates that are undone leave, whose constants objects may use, is the same however often they come and go.
rounds() {
    local i stays=''
    for i in $(seq "$VLP_ROUNDS"); do
        "$1" "$i" || return 1
        [ "$(text)" = "$before" ] || { echo "$1 $i: the kernel's text is another one"; return 1; }
        vlp view "$qmp"
        [ "$i" = 1 ] && stays=$(grep ' bytes of constants, .* stay until the guest boots' <<< "$err")
        [ "$out" = "" ] || { echo "$1 $i: $out"; return 1; }
        [ "$(grep ' bytes of constants' <<< "$err")" = "$stays" ] || { echo "$1 $i: $err"; return 1; }
    done
}

for update in "${updates[@]}"; do
    read -r name file function seq <<< "$update"
    make_patch "$name" "$file" "/^static int $function/,/^}/s/\treturn 0;/\tseq_puts($seq, \"new update\\\\n\");\n&/"
    update_create "$work/$name.patch" "$name"
    files+=("$name")
done
for level in 1 2 3; do
    make_patch level$level fs/proc/uptime.c "s/%02lu\\\\n/%02lu level $level\\\\n/"
    update_create "$work/level$level.patch" level$level
done
guest_start
before=$(text)
RANDOM=$$
echo "# seed $$"
in_guest "cd /proc && cat ${files[*]} > /dev/null"

ok "$VLP_ROUNDS rounds of ten updates in any order, and back" rounds round
ok "$VLP_ROUNDS chains of updates of one function" rounds chain
for name in "${files[@]}"; do
    vlp -q apply --settle 0 "$qmp" "$work/$name.vlp" || echo "# $name: $err"
done
vlp_exits 0 "ten updates and three of one function on top" apply --settle 0 "$qmp" "$work/level1.vlp"
for level in 2 3; do
    vlp_exits 0 "level $level" apply --settle 0 "$qmp" "$work/level$level.vlp"
done
vlp_exits 0 "view" view "$qmp"
is "$(grep -c ' installed ' <<< "$out")" 13 "shows thirteen"
vlp_exits 0 "verify" verify "$qmp"
vlp_exits 0 "undo of one in the middle" undo "$qmp" "$(< "$work/version.id")"
vlp_exits 4 "undo of what three others are on top of" undo "$qmp" "$(< "$work/uptime.id")"
like "$err" "undo $(< "$work/level3.id") first" "is refused"
vlp_exits 0 "undo of all" -o json undo --all "$qmp"
like "$out" '"tries":\{"number":0,' "in one pause"
is "$(text)" "$before" "the kernel's text is what it was"
ok "the guest is well" guest_is_well
done_testing
