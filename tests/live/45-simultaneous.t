#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Twenty processes apply and undo the same three updates in one guest at the same time; who is told to try again does. Each try
# is done or refused, and what is installed in the end is what those that were done say. VLP_SIMULTANEOUS applies and undoes
# in all.
. "$(dirname "$0")/lib.sh"
: "${VLP_SIMULTANEOUS:=40}"

updates=(uptime loadavg version)
n_processes=20

text() { in_guest 'ktext | sha256sum'; }
holes() { "$VLP_BUILD/tests/live/image-digest" "$qmp" | cut -d ' ' -f 2; }

# one RESULT-FILE apply|undo UPDATE: until it is done, or there is nothing to be done; a line for each try.
one() {
    local options=(--timeout 20) argument=$work/$3.vlp result=3
    if [ "$2" = apply ]; then
        options+=(--settle 0)
    else
        argument=$(< "$work/$3.id")
    fi
    while [ $result = 3 ]; do
        "$VLP_BUILD/virt-livepatch" "$2" "${options[@]}" "$qmp" "$argument" > "$1.out" 2> "$1.err"
        result=$?
        echo "$2 $3 $result" >> "$1"
        [ $result != 3 ] || sleep 0.$RANDOM
    done
}

# process NUMBER: its share of them, an apply and an undo in turn, each time of another update.
process() {
    local n
    for ((n = $1; n < VLP_SIMULTANEOUS; n += n_processes)); do
        case $(((n / n_processes + n) % 2)) in
            0) one "$work/result.$n" apply "${updates[n / 2 % 3]}" ;;
            1) one "$work/result.$n" undo "${updates[n / 2 % 3]}" ;;
        esac
    done
}

# count REGEX: how many results are like that.
count() { cat "$work"/result.*[0-9] | grep -cE "^$1$"; }

make_patch uptime fs/proc/uptime.c 's/%02lu\\n/%02lu new\\n/'
make_patch loadavg fs/proc/loadavg.c 's/%d\\n/%d new\\n/'
make_patch version fs/proc/version.c 's/seq_printf(m, linux_proc_banner/seq_puts(m, "new ");\n\t&/'
for name in "${updates[@]}"; do
    update_create "$work/$name.patch" "$name"
done
guest_start
before=$(text)
processes=()
for ((number = 0; number < n_processes; number++)); do
    process $number &
    processes+=($!)
done
wait "${processes[@]}"

is "$(count '.* [^3]')" "$VLP_SIMULTANEOUS" "$VLP_SIMULTANEOUS, by $n_processes processes at the same time, in $(count '.*') tries"
is "$(count 'apply .* [034]') $(count 'undo .* [013]')" "$(count 'apply .*') $(count 'undo .*')" \
    "each was done, or told that it is not the moment, that it is there already, or that it is not there"
grep -LE ' 0$' "$work"/result.*[0-9] | sed 's/$/.err/' | xargs -r cat > "$work/refused"
is "$(grep -vE 'is installed already|no update [a-z2-7]{8} is installed' "$work/refused")" "" "the last two for no other reason"
ok "some were done ($(count 'apply .* 0') apply, $(count 'undo .* 0') undo), some told to try again ($(count '.* 3'))" \
    test "$(count 'apply .* 0')" -gt 2 -a "$(count 'undo .* 0')" -gt 2 -a "$(count '.* 3')" -gt 0
vlp_exits 0 "view" view "$qmp"
for name in "${updates[@]}"; do
    n_installed=$(($(count "apply $name 0") - $(count "undo $name 0")))
    is "$(grep -c "^$(< "$work/$name.id") .*installed" <<< "$out")" "$n_installed" \
        "$name was applied $(count "apply $name 0") times and undone $(count "undo $name 0") times, and is there accordingly"
    is "$(in_guest "grep -c new /proc/$name")" "$n_installed" "which the guest sees as well"
done
vlp_exits 0 "log" -o json log
is "$(grep -o '"status":0,' <<< "$out" | wc -l)" "$(count '.* 0')" "the history has each that was done"
vlp_exits 0 "verify" verify "$qmp"
vlp_exits 0 "undo --all" undo --all "$qmp"
is "$(text)" "$before" "the kernel's text is what it was"
is "$(holes)" empty "and the holes are empty"
is "$(find "$VIRT_LIVEPATCH_RUN" -mindepth 1)" "" "no socket is left behind"
ok "the guest is well" guest_is_well
done_testing
