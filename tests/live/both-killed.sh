# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For tests in which the tool and its guard are killed at the same moment. To be set: $target, the guest; $id and
# $work/three.vlp, the update; $old and $new, its digests without and with it; and run_state, which prints its state.
: "${VLP_EVERY:=}"

digest() { "$VLP_BUILD/tests/live/image-digest" "$target"; }
# Calls that change something outside of the process, or wait for it.
active='openat,mkdir,chown,rename,unlink,rmdir,connect,sendto,recvfrom,close,poll,ppoll,write'

# moments ARGUMENT...: runs the tool to its end, and prints the calls from when it opens a gdb stub (or, where libvirt
# passes that on, from when the guest is about to be stopped) to when all of that is gone, each as its name and how many
# of that name there were: those that send a write, or the end of the pause, to the stub, which are the same in every run, or
# every so-many-th. Of the last ones, in which what wrote a line to the guest's log is taken out, there are more.
moments() {
    strace -o "$work/trace" -e "trace=$active" "$VLP_BUILD/virt-livepatch" "$@" > "$work/out" 2> "$work/err" || return 1
    awk -F '(' '/^[a-z]/ { n[$1]++ }
        /^mkdir.*virt-livepatch-|^rename.*vlp\.gdb/ { inside = 1 }
        inside && /^[a-z]/ { print $1, n[$1], /^sendto\([0-9]+, "\$[MD]/ ? "message" : "" }
        /^unlink.*vlp\.gdb"/ { inside = 0 }' "$work/trace" |
        awk -v "every=${VLP_EVERY:-$sparse}" -v "last=$last" '
            every == "messages" { if ($3 == "message") print $1, $2; next }
            { moment[NR] = $1 " " $2 }
            END { for (i = 1; i <= NR; i++) if (moment[i] && (i % every == 0 || (i > NR - last && i % 3 == 0))) print moment[i] }'
}

# state: "old", "new", or what is wrong.
state() {
    local now word
    now=$(digest 2>&1)
    case $now in
        "$old") word=old ;;
        "$new") word=new ;;
        *) echo "neither old nor new: $now"; return ;;
    esac
    vlp verify "$target" && echo $word || echo "verify: $out $err"
}

# at_moments WHAT ARGUMENT...: at those in $work/moments, kills, recovers and looks.
at_moments() {
    local what=$1 name n is
    shift
    n_killed=0 n_paused=0 n_old=0 n_new=0
    while read -r name n; do
        both_killed_at "$name" "$n" "$@" 2> /dev/null < /dev/null && n_killed=$((n_killed + 1))
        [ "$(run_state)" != paused ] || n_paused=$((n_paused + 1))
        vlp -q recover "$target" || { echo "$what, killed at $name $n: recover: $err"; return 1; }
        [ "$(run_state)" = running ] || { echo "$what, killed at $name $n: the guest is $(run_state)"; return 1; }
        is=$(state)
        case $is in
            old) n_old=$((n_old + 1)) ;;
            new) n_new=$((n_new + 1)) ;;
            *) echo "$what, killed at $name $n: $is"; return 1 ;;
        esac
        case $what.$is in
            apply.new) vlp undo "$target" "$id" || { echo "undo after $name $n: $err"; return 1; } ;;
            undo.old) vlp apply --settle 0 "$target" "$work/three.vlp" || { echo "apply after $name $n: $err"; return 1; } ;;
        esac
    done < "$work/moments"
    [ "$n_paused" -gt 0 ] && [ "$n_old" -gt 0 ] && [ "$n_new" -gt 0 ]
}

# check SPARSE LAST [OPTION...]: all of it, of $target; SPARSE is "messages" or a number, OPTIONs are for apply and undo.
check() {
    sparse=$1 last=$2
    local apply=(-q apply --settle 0 "${@:3}" "$target" "$work/three.vlp") undo=(-q undo "${@:3}" "$target" "$id")
    old=$(digest)
    moments "${apply[@]}" > "$work/moments"
    new=$(digest)
    vlp_exits 0 "undo" undo "$target" "$id"
    at_moments apply "${apply[@]}" > "$work/said"
    tap_result $? "apply, both killed at $n_killed calls: $n_paused left it paused; recovered: $n_old old, $n_new new" \
        "$(< "$work/said")"
    vlp apply --settle 0 "$target" "$work/three.vlp"
    moments "${undo[@]}" > "$work/moments"
    vlp_exits 0 "apply" apply --settle 0 "$target" "$work/three.vlp"
    at_moments undo "${undo[@]}" > "$work/said"
    tap_result $? "undo, both killed at $n_killed calls: $n_paused left it paused; recovered: $n_old old, $n_new new" \
        "$(< "$work/said")"
    vlp undo "$target" "$id"
    is "$(digest)" "$old" "the kernel's text is what it was, and the holes are empty"
    is "$(in_guest 'cat /proc/uptime /proc/loadavg /proc/version | grep -c ^new')" 0 "the guest runs the old code"
    ok "the guest is well" guest_is_well
}
