#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The tool is killed at every message of an apply --replace that it sends: what is found afterwards is what was installed
# before, or the update that takes its place, and nothing in between.
. "$(dirname "$0")/lib.sh"

text() { in_guest 'ktext | sha256sum'; }
seen() { in_guest -t 30 'cut -d " " -f 3- /proc/uptime; cut -d " " -f 6- /proc/loadavg' | xargs; }

# killed_at N ARGUMENT...: runs the tool and kills it as it sends its N-th message. FALSE if it got to its end before. Waits for its guard.
killed_at() {
    local n=$1
    shift
    strace -o /dev/null -e trace=sendto -e "inject=sendto:signal=SIGKILL:when=$n" "$VLP_BUILD/virt-livepatch" "$@" \
        > "$work/out" 2> "$work/err"
    local status=$?
    timeout 60 pidwait -f "[v]irt-livepatch .*$qmp"
    [ $status = 137 ]
}

# kill_all: for every N; counts in $n_old and $n_new what was found. The last one, not killed, puts the new one in place.
kill_all() {
    local n=0
    n_old=0 n_new=0
    while killed_at $((++n)) -q apply --no-log --settle 0 --replace "$qmp" "$work/third.vlp" 2> /dev/null; do
        seen > /dev/null || { echo "the guest does not answer after a kill at message $n"; return 1; }
        vlp -q recover "$qmp" || { echo "recover after $n: $err"; return 1; }
        vlp verify "$qmp" || { echo "verify after $n: $out $err"; return 1; }
        case $(seen) in
            'second second') n_old=$((n_old + 1)) ;;
            third)
                n_new=$((n_new + 1))
                vlp undo --no-log --all "$qmp" && vlp apply --no-log --settle 0 "$qmp" "$work/first.vlp" &&
                    vlp apply --no-log --settle 0 "$qmp" "$work/second.vlp" ||
                    { echo "putting the old ones back after $n: $err"; return 1; }
                ;;
            *) echo "after a kill at message $n the guest says: $(seen)"; return 1 ;;
        esac
    done
    [ "$n" -gt 10 ]
}

command -v strace > /dev/null || skip_all "there is no strace"
make_patch first fs/proc/uptime.c 's/%02lu\\n/%02lu first\\n/'
make_patch second fs/proc/uptime.c 's/%02lu\\n/%02lu second\\n/' fs/proc/loadavg.c 's/%d\\n/%d second\\n/'
make_patch third fs/proc/uptime.c 's/%02lu\\n/%02lu third\\n/'
for name in first second third; do
    update_create "$work/$name.patch" "$name"
done
guest_start
before=$(text)
vlp_exits 0 "apply one" apply --no-log --settle 0 "$qmp" "$work/first.vlp"
vlp_exits 0 "and one on top of it" apply --no-log --settle 0 "$qmp" "$work/second.vlp"
kill_all > "$work/said"
tap_result $? "killed while one takes their place: ${n_old:-?} times they were found, ${n_new:-?} times the new one" "$(< "$work/said")"
is "$(seen)" third "then it got through"
vlp_exits 0 "undo" undo --no-log --all "$qmp"
is "$(text)" "$before" "the kernel's text is what it was"
ok "the guest is well" guest_is_well
done_testing
