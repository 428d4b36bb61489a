#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Several domains, with memory of different kinds: listed as virsh lists them, patched at the same time, and libvirt's
# view of them right all the time.
. "$(dirname "$0")/lib.sh"

# row NAME: the list's row of a domain, its columns by single spaces.
row() {
    grep -E "^ *[0-9-]+ +$1 " "$work/out" | tr -s ' ' | sed 's/^ //; s/ $//'
}

# said DOOR ARGUMENT...: what the tool says when it is told to look through DOOR, but for the door itself, what state it finds
# the guest in, and how much memory there is: a dump also has what lies below the video memory.
said() {
    local door=$1
    shift
    "$VLP_BUILD/virt-livepatch" "${@/GUEST/$door}" 2>&1 |
        sed -E "s#((qmp|core|saved):)?${door#*:}#GUEST#g; s/^(guest: .*) \\(.*\\)/\\1/; s/\"state\":\"[a-z ]+\",\"release/\"release/
            s/^memory: .*//; s/\"memory_bytes\":[0-9]+//"
    return "${PIPESTATUS[0]}"
}

# all_say_the_same ARGUMENT...: through each of $doors.
all_say_the_same() {
    local door first
    first=$(said "${doors[0]}" "$@") || { echo "$first"; return 1; }
    for door in "${doors[@]:1}"; do
        diff <(echo "$first") <(said "$door" "$@") || { echo "through $door"; return 1; }
    done
}

huge=/proc/sys/vm/nr_hugepages

# huge_pages_wanted: sees to it that there are enough of them, if the machine can have them.
huge_pages_wanted() {
    local free before
    free=$(sed -n 's/^HugePages_Free: *//p' /proc/meminfo)
    before=$(< $huge)
    [ "$free" -lt 130 ] || return 0
    echo $((before + 130 - free)) > $huge || return 1
    guests+=("huge_pages_back $before")
    [ "$(sed -n 's/^HugePages_Free: *//p' /proc/meminfo)" -ge 130 ]
} 2> /dev/null

huge_pages_back() { echo "$1" > $huge; }

chmod 711 "$work"       # QEMU runs as another user
update_create "$top/images/demo/uptime.patch" uptime
id=$(< "$work/uptime.id")
first=vlp-first-$$ second=vlp-second-$$
domain_start -m 256 -b memfd "$first"
first_guest=$guest
domain_start -m 256 -b file -q "$second"
second_guest=$guest
release=$(in_guest uname -r)

setsid virsh event --loop --all > "$work/events" 2>&1 &
guests+=("kill $!")
ok "virsh tells of events by now" timeout 60 sh -c "until grep -q 'lifecycle.*$second' '$work/events'; do
    virsh -q suspend $second; virsh -q resume $second; sleep 0.2; done"

vlp_exits 0 "list" list
is "$(row "$first")" "$(virsh domid "$first" | head -n 1) $first running $release none" "has the one on memfd"
is "$(row "$second")" "$(virsh domid "$second" | head -n 1) $second running $release none" "and the one on a file"

"$VLP_BUILD/virt-livepatch" apply --no-log "$first" "$work/uptime.vlp" > "$work/first" 2>&1 &
applying=$!
vlp_exits 0 "apply in one" apply "$second" "$work/uptime.vlp"
wait $applying
tap_result $? "and in the other at the same time" "$(< "$work/first")"
like "$(in_guest cat /proc/uptime)" CPUs "the second runs the new code"
guest=$first_guest
like "$(in_guest cat /proc/uptime)" CPUs "so does the first"
is "$(virsh domstate "$first" | head -n 1) $(virsh domstate "$second" | head -n 1)" "running running" \
    "libvirt sees both running"

virsh -q suspend "$second"
vlp_exits 0 "list with one that somebody has suspended" list
is "$(row "$first" | cut -d ' ' -f 2-)" "$first running $release $id" "shows the update in the first"
is "$(row "$second" | cut -d ' ' -f 2-)" "$second paused $release $id" "and in the suspended one"
is "$(virsh domstate "$second" | head -n 1)" paused "which stays suspended"
virsh -q dump --memory-only "$second" "$work/dump" > /dev/null
doors=("$second" "qmp:/var/lib/libvirt/qemu/$second.qmp" "core:$work/dump" "saved:$work/dump")
for command in inspect view verify symbols tasks stack; do
    ok "$command says the same through libvirt, its own monitor, and of what virsh has dumped" all_say_the_same $command GUEST
    ok "so does it to programs" all_say_the_same -o json $command GUEST
done
like "$(said "core:$work/dump" view GUEST)" "$id .*installed" "which shows the update"
virsh -q resume "$second"

said "saved:$work/dump" undo --no-log GUEST "$id" > "$work/undone"
said "saved:$work/dump" apply --no-log GUEST "$work/uptime.vlp" > "$work/applied"
for door in "${doors[@]:0:2}"; do
    is "$(said "$door" undo --no-log GUEST "$id" | sed 's/for [0-9.]* ms/for 0.00 ms/')" "$(< "$work/undone")" \
        "undo says the same through $door as in what was dumped"
    is "$(said "$door" apply --no-log --settle 0 GUEST "$work/uptime.vlp" | sed 's/for [0-9.]* ms/for 0.00 ms/')" \
        "$(< "$work/applied")" "so does apply"
done

vlp_exits 0 "undo in the first" undo --no-log "$first" "$id"
vlp_exits 0 "list as JSON" -o json list
ok "is JSON that says what is installed where" perl -MJSON::PP -0777 -ne '
    my %domains = map { $_->{name} => $_ } @{decode_json($_)};
    my ($first, $second) = @domains{@ARGV = qw('"$first $second"')};
    exit !($first->{state} eq "running" && @{$first->{updates}} == 0 && "@{$second->{updates}}" eq "'"$id"'"
           && $second->{release} eq "'"$release"'" && $second->{uuid} eq "'"$(virsh domuuid "$second" | head -n 1)"'")' \
    "$work/out"

hung=$(< "/run/libvirt/qemu/$second.pid")
stand_still "$hung"
SECONDS=0
vlp_exits 0 "list with one whose QEMU hangs" list
like "$err" "$second: .*no answer through libvirt" "says so of that"
is "$(row "$first" | cut -d ' ' -f 2-)" "$first running $release none" "and shows the others"
vlp_exits 0 "list once more" list
like "$err" "$second: its QEMU has not answered libvirt for [0-9]+ s" "knows it from libvirt"
ok "both within seconds" test $SECONDS -lt 30
kill -CONT "$hung"
vlp_exits 0 "undo in the second, when it goes on" undo "$second" "$id"
is "$(virsh domstate "$first" | head -n 1) $(virsh domstate "$second" | head -n 1)" "running running" \
    "libvirt sees both running"

timeout 60 sh -c "until [ \$(grep -ac 'lifecycle.*$first' '$work/events') -ge 8 ]; do sleep 0.1; done"
grep -a "lifecycle.*$first" "$work/events" | sed "s/.*: //" > "$work/lifecycle"
is "$(sort "$work/lifecycle" | sed 's/ .*//' | uniq -c | tr -s ' \n' ' ')" " 4 Resumed 4 Suspended " \
    "virsh saw the first one suspended and resumed: for each change, and before or after it to prepare or to clean"
like "$(tail -n 1 "$work/lifecycle")" Resumed "resumed last"
ok "the first is well" guest_is_well
guest=$second_guest
ok "the second is well" guest_is_well

virsh -q destroy "$first"
vlp_exits 0 "list" list
is "$(row "$first")" "" "leaves out a domain that does not run"
vlp_exits 0 "list --all" list --all
is "$(row "$first")" "- $first shut off - -" "has it"
like "$(row "$second")" "$second running $release none" "and the one that runs"

third=vlp-third-$$
if ! huge_pages_wanted; then
    skip "a domain on huge pages" "this machine has none"
elif ! third_guest=$("$top/images/run-domain" -o $$ -m 256 -b hugepages "$third" 2> "$work/said"); then
    if grep -q 'hugetlbfs filesystem is not mounted' "$work/said"; then
        skip "a domain on huge pages" "this libvirtd was started before they were mounted"
    else
        tap_result 1 "a domain on huge pages starts" "$(< "$work/said")"
    fi
else
    guest=$third_guest
    guests+=("$top/images/stop-domain $guest")
    vlp_exits 0 "apply in a domain on huge pages" apply "$third" "$work/uptime.vlp"
    like "$(in_guest cat /proc/uptime)" CPUs "it runs the new code"
    vlp_exits 0 "list" list
    is "$(row "$third" | cut -d ' ' -f 2-)" "$third running $release $id" "shows it there"
    vlp_exits 0 "undo in it" undo "$third" "$id"
    unlike "$(in_guest cat /proc/uptime)" CPUs "it runs the old code"
    ok "and is well" guest_is_well
fi

LIBVIRT_DEFAULT_URI=qemu+ssh://no.example/system vlp_exits 2 "a default URI of another host is refused" list
like "$err" 'run this on no.example' "with the advice to run it there"
vlp_exits 2 "so is such a URI by -c" -c qemu+ssh://root@no.example/system inspect "$second"
LIBVIRT_DEFAULT_URI=test:///default vlp_exits 0 "-c goes before the default" -c qemu:///system list
like "$out" "$second" "has the domains there"
done_testing
