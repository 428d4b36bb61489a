#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What tests in real guests compare both views by: that each way in which the tool's can be wrong is a difference, and that what
# changed meanwhile is none.
set -u
top=$(dirname "$(dirname "$(readlink -f "$0")")")
. "$top/tests/tap.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# agrees NAME, differs NAME REGEX: what the comparison at hand says of the files at hand.
agrees() {
    ok "$1" compare
}

differs() {
    local said
    said=$(compare)
    isnt $? 0 "$1 is a difference"
    like "$said" "$2" "and is said"
}

# edited FILE SED-SCRIPT COMMAND...: with FILE changed so.
edited() {
    local file=$1
    cp "$file" "$file.kept"
    sed -i "$2" "$file"
    cmp -s "$file" "$file.kept" && give_up "nothing was changed in $file: $2"
    "${@:3}"
    mv "$file.kept" "$file"
}

# --- Tasks and stacks: 40 that sleep, the first of which is always the one that is meddled with
compare() { perl "$top/tests/live/views.pl" before after tasks stacks; }
{
    printf 'first\t50\n'
    for pid in {1..40}; do
        printf '%d\t7\tS\ttask-%d\t[<0>] wait+0x%x/0x100|[<0>] call+0x1/0x10|\n' $pid $pid $pid
    done
    printf '41\t9\tR\trunner\t\n'
    printf 'last\t50\n'
} > before
cp before after
{
    echo '    PID S  CPU NAME'
    sed -nE 's/^([0-9]+)\t[0-9]+\t(.)\t([^\t]*).*/\1 \2 0 \3/p' before
} > tasks
sed -nE '/^[0-9]/{s/^([0-9]+)\t[0-9]+\t.\t([^\t]*)\t/task \1 (\2)\n/; s/\|$//; s/\|/\n/g; s/\n$//; p}' before > stacks
agrees "tasks and stacks that are the same"
edited tasks '/^1 /d' differs "a task that is not listed" 'task 1 is not listed'
edited tasks '/^1 /p' differs "one that is listed twice" 'listed twice'
edited tasks 's/^1 S/1 D/' differs "another state" 'task 1 is S task-1, not D'
edited tasks 's/task-1$/task-x/' differs "another name" 'not S.task-x'
edited tasks 's/^1 S/45 S/' differs "one that is not there" 'task 45.*is not there'
edited stacks '0,/wait/s/wait+0x1\//wait+0x2\//' differs "another return address" 'task 1 .*wait\+0x2'
edited stacks '0,/call/{/call/d}' differs "a frame too few" 'task 1 '
edited stacks '0,/call/{/call/p}' differs "a frame too many" 'task 1 '
edited stacks '0,/wait/s/\[<0>\] wait/[<0>] ? wait/' differs "one that is not certain" 'task 1 '
edited stacks '2,3d' differs "a task without its stack" 'task 1 '
edited after 's/^1\t7/1\t8/' edited stacks '2,3d' agrees "but not of a task that ran meanwhile"
edited after '/^1\t/d' edited tasks '/^1 /d' agrees "nor one that has ended"
edited after 's/^last\t50/last\t60/' edited tasks '$a55 S 0 new' agrees "nor one that has begun"
edited before '10,$d' differs "a view that ends early" '' 2> /dev/null

# --- Symbols and modules: one of two modules comes and goes
moving=()
kind=symbols
compare() { perl "$top/tests/live/moved.pl" $kind numbers settled names guest tool "${moving[@]}"; }
printf '%s T %s\n' ffffffff81000000 _text ffffffff81000100 same ffffffff81000200 same > tool
printf '%s t %s\t[%s]\n' ffffffffc0000000 f stays ffffffffc0001000 g moves >> tool
cp tool settled
echo '/run/moving/moves:3' > numbers
cat tool numbers > guest
printf '%s [moves]\n' g h > names
agrees "symbols that are the same"
edited tool '/_text/d' differs "a symbol that is missing" 'the guest has:.*_text'
edited tool '/_text/p' differs "one too many" 'the tool has:.*_text'
edited tool '0,/same/{/same/d}' differs "one of two of the same name" 'the guest has:.*same'
edited tool 's/81000000/81000001/' differs "another address" 'the guest has:.*81000000'
edited tool 's/T _text/t _text/' differs "another type" 'the tool has:.* t _text'
edited tool 's/\[stays\]/[other]/' differs "another module" 'the tool has:.*other'
edited tool '/moves/d' differs "a module's symbol that is missing, if none moves" 'the guest has:.*moves'
moving=(moves)
edited tool '/moves/d' differs "or if that one could, and did not" 'the guest has:.*moves'
edited tool '/stays/d' edited guest 's/moves:3/moves:4/' differs "or if another did" 'the guest has:.*stays'
edited guest 's/moves:3/moves:4/; /\[moves\]/d' agrees "but not if that one did"
edited guest 's/moves:3/moves:4/' edited tool 's/ g\t/ x\t/' differs "of which only its own symbols may be seen" 'has x'
edited guest 's/moves:3/moves:4/' edited tool '/ g\t/s/.*/ffffffffc0001100 t h\t[moves]/' \
    differs "and all that it has for good" 'lacks g'
kind=modules moving=()
printf '%s 4096 0 - Live 0xffffffffc000%s\n' stays 0000 moves 1000 > tool
cp tool settled
sed 's/ 0 - / 2 a,b, /' tool | cat - numbers > guest
agrees "modules that are the same, whoever uses them"
edited tool '/stays/d' differs "a module that is missing" 'the guest has:.*stays'
edited tool 's/4096/8192/' differs "another size" 'the tool has:.*8192'
edited tool 's/Live/Loading/' differs "another state" 'the tool has:.*Loading'
edited tool 's/c0001000/c0002000/' differs "another place" 'the tool has:.*c0002000'
moving=(moves)
edited guest 's/moves:3/moves:/; /^moves/d' agrees "but not of one that moves"
edited guest 's/moves:3/moves:changing/' edited tool '/^moves/s/4096/1024/' differs "which is no smaller than it ever is" 'for good'
done_testing
