#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A guest whose kernel's image has no room left: new code and data go into memory that its own allocator gives, and gets
# back; also when the tool is killed in between. With VLP_EVERY=N, killed at every N-th of its messages; else at a few.
. "$(dirname "$0")/lib.sh"
. "$top/tests/live/names.sh"
: "${VLP_EVERY:=}"

image() { "$VLP_BUILD/tests/live/image-digest" "$qmp"; }
fill() { "$VLP_BUILD/tests/live/fill-holes" "$qmp" "$@"; }

# areas: how much memory where modules have theirs the guest itself says it has given.
areas() {
    in_guest 'echo 1 > /proc/sys/kernel/kptr_restrict; grep "^0xffffffff[c-f]" /proc/vmallocinfo | grep -vc unpurged' < /dev/null
}

# calls: "old", or what the new code of /proc/uptime says, which has a variable of its own.
calls() { in_guest 'tail -n +2 /proc/uptime | grep . || echo old' < /dev/null; }

# messages ARGUMENT...: how many the tool sends in a run to its end.
messages() {
    strace -o "$work/trace" -e trace=sendto "$VLP_BUILD/virt-livepatch" "$@" > "$work/out" 2> "$work/err"
    grep -c '^sendto' "$work/trace"
}

# killed_at N ARGUMENT...: the tool is killed when it sends its N-th message. Waits for its guard.
killed_at() {
    local n=$1 status
    shift
    strace -o /dev/null -e trace=sendto -e "inject=sendto:signal=SIGKILL:when=$n" "$VLP_BUILD/virt-livepatch" "$@" \
        > "$work/out" 2> "$work/err"
    status=$?
    timeout 60 pidwait -f "[v]irt-livepatch .*$qmp"
    [ $status = 137 ]
}

# at_moments WHAT N ARGUMENT...: kills, recovers and looks. What is there twice is a leak; so is what nobody runs.
at_moments() {
    local what=$1 n=$2 moment now
    shift 2
    n_old=0 n_new=0 n_left=0
    for moment in $(seq "$first" "$every" "$n"); do
        killed_at "$moment" "$@" 2> /dev/null < /dev/null || continue
        vlp -q view "$qmp"
        ! grep -q interrupted <<< "$out" || n_left=$((n_left + 1))
        until vlp -q recover "$qmp" || [ "$status" != 3 ]; do :; done
        [ "$status" = 0 ] || { echo "$what, killed at $moment: recover: $err"; return 1; }
        now=$(calls)
        case $now in
            old) n_old=$((n_old + 1)) given=0 ;;
            "call "*) n_new=$((n_new + 1)) given=1; vlp verify "$qmp" || { echo "$what, $moment: $out $err"; return 1; } ;;
            *) echo "$what, killed at $moment: $now"; return 1 ;;
        esac
        [ "$(areas)" = $((before + given)) ] || { echo "$what, $moment, $now: $(areas) areas of memory"; return 1; }
        case $what.$given in
            apply.1) vlp undo --no-log "$qmp" "$id" || { echo "undo after $moment: $err"; return 1; } ;;
            undo.0) vlp apply --no-log --settle 0 "$qmp" "$work/calls.vlp" || { echo "apply after $moment: $err"; return 1; } ;;
        esac
    done
    echo "# $what: $n messages; afterwards $n_old times old, $n_new times new; $n_left times something was left" > "$work/moments"
    [ "$n_old" -gt 0 ]
}

# room [OPTION of run-guest...]: apply, look and undo where there is none, for $VLP_KERNEL.
room() {
    make_patch calls fs/proc/uptime.c '/^static int uptime_proc_show/,/^}/s/\treturn 0;/\tseq_printf(m, "call %lu\\n", ++calls);\n&/
        s/^static int uptime_proc_show/static unsigned long calls;\n\n&/'
    update_create "$work/calls.patch" calls
    id=$(< "$work/calls.id")
    guest_start -k "$VLP_KERNEL" -m 256 "$@"
    old=$(image) before=$(areas)
    ok "all holes are full but for a page" fill full 1
    vlp_exits 0 "check" check "$qmp" "$work/calls.vlp"
    is "$(areas)" "$before" "gets no memory"
    vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/calls.vlp"
    is "$(calls)" "call 1" "the guest runs the new code"
    is "$(calls)" "call 2" "which has its own data"
    is "$(areas)" $((before + 1)) "the guest says that it has given memory"
    vlp_exits 0 "view" view "$qmp"
    like "$out" "in 8 KiB that the guest's own allocator has given" "says where it is"
    vlp_exits 0 "verify" verify "$qmp"
    like "$(in_guest cat /proc/modules)" "vlp_$id " "the guest's kernel knows the code"
    vlp_exits 0 "undo" undo "$qmp" "$id"
    is "$(calls)" old "the guest runs the old code"
    is "$(areas)" "$before" "and has its memory back"
    vlp_exits 0 "view" view "$qmp"
    is "$out" "" "shows nothing"
}

# Another one in its place, whose parts are for vmlinux and for a module.
replaced() {
    make_patch both fs/proc/uptime.c 's/%02lu\\n/%02lu new\\n/' \
        drivers/block/zram/zram_drv.c '/^static ssize_t initstate_show/,/^}/s/%u\\n/%u new\\n/'
    update_create "$work/both.patch" both
    vlp_exits 0 "apply" apply --settle 0 "$qmp" "$work/calls.vlp"
    vlp_exits 0 "apply of one for vmlinux and a module in its place" apply --settle 0 --replace "$qmp" "$work/both.vlp"
    like "$(in_guest 'cat /proc/uptime /sys/block/zram0/initstate')" ' new.0 new$' "the guest runs the new code of both"
    is "$(areas)" $((before + 2)) "each has memory of its own, and what was replaced has its back"
    vlp_exits 0 "verify" verify "$qmp"
    vlp_exits 0 "undo" undo "$qmp" "$(< "$work/both.id")"
    unlike "$(in_guest 'cat /proc/uptime /sys/block/zram0/initstate')" new "the guest runs the old code"
    is "$(areas)" "$before" "and has its memory back"
}

command -v strace > /dev/null || skip_all "there is no strace"
initramfs=$("$top/images/mkinitramfs" --modules zram "$VLP_KERNEL") || give_up "there is no initramfs with modules"
room -i "$initramfs"
replaced

# Nothing is given back that somebody is in.
update_create "$top/tests/live/patches/select.patch" select
vlp_exits 0 "apply of what tasks sleep in" apply --settle 0 "$qmp" "$work/select.vlp"
in_guest 'sleeper select > /run/sleeper & until [ -s /run/sleeper ]; do :; done'
pid=$(in_guest 'cut -d " " -f 2 /run/sleeper')
until in_guest "grep -q core_sys_select.vlp /proc/$pid/stack"; do :; done
vlp_exits 3 "undo while one does" undo --timeout 1 "$qmp" "$(< "$work/select.id")"
like "$err" "core_sys_select\.vlp\+" "says where"
is "$(areas)" $((before + 1)) "and gives no memory back"
in_guest "kill $pid; while kill -0 $pid 2> /dev/null; do :; done"
vlp_exits 0 "undo" undo "$qmp" "$(< "$work/select.id")"
is "$(areas)" "$before" "gives it back"

vlp_exits 0 "apply of what does not fit as it is" apply --settle 0 "$qmp" "$work/calls.vlp"
vlp_exits 4 "apply again" apply "$qmp" "$work/calls.vlp"
is "$(areas)" $((before + 1)) "leaves no memory behind"
n_undo=$(messages -q undo --no-log "$qmp" "$id")
n_apply=$(messages -q apply --no-log --settle 0 "$qmp" "$work/calls.vlp")
every=${VLP_EVERY:-$((n_undo / 4))} first=$((every / 2 + 1))
ok "undo, killed" at_moments undo "$n_undo" -q undo --no-log "$qmp" "$id"
cat "$work/moments"
vlp undo --all --no-log "$qmp"
every=${VLP_EVERY:-$((n_apply / 5))} first=$((every / 2 + 1))
ok "apply, killed" at_moments apply "$n_apply" -q apply --no-log --settle 0 "$qmp" "$work/calls.vlp"
cat "$work/moments"
is "$(areas)" "$before" "the guest has its memory back"

# Nor what objects have got of it.
names_create
vlp_exits 0 "apply of what gives constants to objects" apply --settle 0 "$qmp" "$work/names.vlp"
network meanwhile
vlp_exits 0 "undo" undo "$qmp" "$names"
is "$(settings meanwhile)" "$settings_by_names" "an object has its name, and its numbers"
vlp_exits 0 "apply again" apply --settle 0 "$qmp" "$work/names.vlp"
vlp_exits 0 "undo" undo "$qmp" "$names"
vlp_exits 0 "recover" recover "$qmp"
vlp_exits 0 "view" view "$qmp"
like "$err" ": $names is undone; 26 bytes of constants, in 12 KiB at 0x" "shows what is kept"
is "$(areas)" $((before + 1)) "the guest has all other memory back"
is "$(settings meanwhile)" "$settings_by_names" "and what is kept is as it was"

labels_create
vlp_exits 0 "apply of what gives variables to them" apply --settle 0 "$qmp" "$work/labels.vlp"
network labelled
vlp_exits 0 "undo" undo "$qmp" "$labels"
is "$(areas)" $((before + 2)) "what it has got of memory stays, as a whole"
is "$(settings labelled)" "$settings_by_labels" "an object has its name, and its number"
is "$(note labelled)" "Invalid cross-device link" "and its function"

ok "the holes are as before" fill empty
is "$(image)" "$old" "and so is the image"
ok "the guest is well" guest_is_well

VLP_KERNEL=$("$top/images/fetch-kernel" --suite bookworm-backports 6.12) || give_up "there is no later kernel"
room
ok "the guest is well" guest_is_well
done_testing
