#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A guest that does not run is patched in the file that it is restored from, and runs the new code when it is.
. "$(dirname "$0")/lib.sh"
: "${VLP_EVERY:=}"

# through COMMAND ARGUMENT...: saves the guest, has virt-livepatch work on the file, and restores it.
through() {
    rm -f "$work/saved"
    "$VLP_BUILD/tests/live/through-file" "$qmp" "$work/saved" "$VLP_BUILD/virt-livepatch" "$@" > "$work/out" 2> "$work/err"
}

digest() { "$VLP_BUILD/tests/live/image-digest" "core:$1"; }

# as_a_whole FILE: whether all of the update is in it, or nothing.
as_a_whole() {
    local view
    view=$("$VLP_BUILD/virt-livepatch" view "saved:$1" 2>&1) && "$VLP_BUILD/virt-livepatch" -q verify "saved:$1" || return
    case $view in
        *"$id"*installed*) ;;
        *"no update is installed"*) [ "$(digest "$1")" = "$clean" ] ;;
        *) echo "$view"; false ;;
    esac
}

# kill_at_each_write: kills apply at its first write, its second, and so on, until it comes to its end.
kill_at_each_write() {
    local n
    for n in $(seq 100); do
        cp --sparse=always "$work/before" "$work/killed"
        strace -qq -o /dev/null -e inject=pwrite64:signal=KILL:when="$n" \
            "$VLP_BUILD/virt-livepatch" -q apply "saved:$work/killed" "$work/uptime.vlp" > "$work/out" 2> "$work/err" &&
            [ "$n" -gt 3 ] && return
        # Whoever claims it has to wait until the guard is done with it.
        timeout 60 flock "$work/killed" true && as_a_whole "$work/killed" || { echo "killed at write $n"; return 1; }
    done
    false
}

# both_killed_at_writes: the same of both the tool and its guard, when one update is to take the place of one that changes
# more; then recover has to do it. Of the writes, a sample; with VLP_EVERY=N, every N-th.
both_killed_at_writes() {
    local n now old=$(digest "$work/three") new
    cp --sparse=always "$work/three" "$work/killed"
    vlp -q apply --replace "saved:$work/killed" "$work/uptime.vlp" || { echo "$err"; return 1; }
    new=$(digest "$work/killed")
    n_old=0 n_new=0 n_torn=0
    for ((n = 1; ; n += ${VLP_EVERY:-9})); do
        cp --sparse=always "$work/three" "$work/killed"
        both_killed_at pwrite64 $n -q apply --replace "saved:$work/killed" "$work/uptime.vlp" 2> /dev/null || break
        if [ -e "$work/killed.vlp-journal" ]; then
            n_torn=$((n_torn + 1))
            vlp view "saved:$work/killed" && { echo "view after write $n: $out"; return 1; }
            [[ $status = 3 && $err =~ virt-livepatch\ recover ]] || { echo "view after write $n: $status $err"; return 1; }
        fi
        vlp -q recover "saved:$work/killed" || { echo "recover after write $n: $err"; return 1; }
        vlp -q verify "saved:$work/killed" || { echo "verify after write $n: $out $err"; return 1; }
        now=$(digest "$work/killed")
        case $now in
            "$old") n_old=$((n_old + 1)) ;;
            "$new") n_new=$((n_new + 1)) ;;
            *) echo "after write $n it is neither old nor new: $now"; return 1 ;;
        esac
        [ ! -e "$work/killed.vlp-journal" ] || { echo "a journal is left after write $n"; return 1; }
    done
    [ $n_torn -gt 0 ] && [ $n_old -gt 0 ] && [ $n_new -gt 0 ]
}

command -v strace > /dev/null || skip_all "there is no strace"
update_create "$top/images/demo/uptime.patch" uptime
id=$(< "$work/uptime.id")
update_create "$top/tests/live/patches/three.patch" three
guest_start -m 256
ok "apply to the guest in its file" through apply "saved:$work/saved" "$work/uptime.vlp"
is "$(< "$work/out")" "$id" "prints the id"
unlike "$(< "$work/err")" watched "and does not watch what does not run"
like "$(in_guest cat /proc/uptime)" 'idle time of 2 CPUs' "the guest that was restored runs the new code"
vlp_exits 0 "view" view "$qmp"
like "$out" "$id .*installed" "shows the update in it"
vlp_exits 0 "verify" verify "$qmp"
vlp_exits 0 "view of the file" view "saved:$work/saved"
like "$out" "$id .*installed" "shows it, too"
vlp_exits 4 "apply once more" apply "saved:$work/saved" "$work/uptime.vlp"
vlp_exits 2 "what is called an image is not changed" undo "core:$work/saved" "$id"
like "$err" 'write saved:' "with what to do instead"
ok "a file as a machine" "$VLP_BUILD/tests/live/backend-check" "saved:$work/saved"
ok "undo of it in its file" through undo "saved:$work/saved" "$id"
unlike "$(in_guest cat /proc/uptime)" CPUs "the guest that was restored runs the old code"
ok "and is well" guest_is_well

# --- In a snapshot as Firecracker makes it
through_firecracker() {
    rm -f "$work/memory" "$work/memory.state"
    "$VLP_BUILD/tests/live/through-file" --firecracker "$qmp" "$work/memory" "$VLP_BUILD/virt-livepatch" "$@" \
        > "$work/out" 2> "$work/err"
}

snapshot=saved:$work/memory,$work/memory.state
ok "apply to the guest in Firecracker's two files" through_firecracker apply "$snapshot" "$work/uptime.vlp"
is "$(< "$work/out")" "$id" "prints the id"
like "$(in_guest cat /proc/uptime)" 'idle time of 2 CPUs' "the guest that was restored runs the new code"
vlp_exits 0 "view" view "$qmp"
cp "$work/out" "$work/view"
vlp_exits 0 "view of the files" view "core:${snapshot#saved:}"
is "$(tail -n +2 "$work/out")" "$(tail -n +2 "$work/view")" "says what is in the guest"
vlp_exits 0 "stacks in the files" stack "$snapshot"
like "$out" 'vCPU 1' "have both vCPUs"
vlp_exits 4 "apply once more" apply "$snapshot" "$work/uptime.vlp"
ok "the files as a machine" "$VLP_BUILD/tests/live/backend-check" "$snapshot"
vlp_exits 4 "the memory file without its state" apply "saved:$work/memory" "$work/uptime.vlp"
like "$err" 'MEMORY,STATE' "with what to do instead"
ok "undo of it in the files" through_firecracker undo "$snapshot" "$id"
unlike "$(in_guest cat /proc/uptime)" CPUs "the guest that was restored runs the old code"
ok "and is well" guest_is_well

mv "$work/saved" "$work/before"
clean=$(digest "$work/before")
exec 9< "$work/before"
flock 9
vlp_exits 3 "a file that somebody uses" apply "saved:$work/before" "$work/uptime.vlp"
exec 9<&-
cp --sparse=always "$work/before" "$work/file"
vlp_exits 0 "apply" apply "saved:$work/file" "$work/uptime.vlp"
vlp_exits 0 "undo" undo "saved:$work/file" "$id"
is "$(digest "$work/file")" "$clean" "leaves the kernel in the file as it was"
ok "killed at any write, it leaves all of an update or nothing" kill_at_each_write
cp --sparse=always "$work/before" "$work/three"
vlp_exits 0 "apply one of three functions" apply "saved:$work/three" "$work/three.vlp"
both_killed_at_writes > "$work/said"
tap_result $? "its guard killed too, while one update takes the place of another, recover leaves either: $n_old times the
old one, $n_new times the new one; $n_torn times it took back what had been written" "$(< "$work/said")"
is "$(ls "$work"/*.vlp-journal 2> /dev/null)" "" "no journal is left"
done_testing
