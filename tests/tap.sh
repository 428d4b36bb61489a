# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# TAP for test scripts, which source this.
tap_count=0 tap_failed=0

# tap_result PASSED(0 or not) NAME [DIAGNOSTIC]
tap_result() {
    tap_count=$((tap_count + 1))
    if [ "$1" = 0 ]; then
        echo "ok $tap_count - $2"
    else
        tap_failed=$((tap_failed + 1))
        echo "not ok $tap_count - $2"
        diag "failed: $2${3:+$'\n'$3}"
    fi
    return "$1"
}

# diag TEXT: shown by prove.
diag() {
    [ -z "$1" ] || sed 's/^/# /' <<< "$1" >&2
}

# ok NAME COMMAND...: the command succeeds. What it prints is shown if it does not.
ok() {
    local name=$1 printed
    shift
    printed=$("$@" 2>&1)
    tap_result $? "$name" "$printed"
}

# is GOT EXPECTED NAME
is() {
    [ "$1" = "$2" ]
    tap_result $? "$3" "got:      $1"$'\n'"expected: $2"
}

# isnt GOT UNEXPECTED NAME
isnt() {
    [ "$1" != "$2" ]
    tap_result $? "$3" "got: $1"
}

# like GOT REGEX NAME: an extended regular expression.
like() {
    [[ $1 =~ $2 ]]
    tap_result $? "$3" "got:      $1"$'\n'"expected: $2"
}

unlike() {
    [[ ! $1 =~ $2 ]]
    tap_result $? "$3" "got:            $1"$'\n'"did not expect: $2"
}

skip() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1 # SKIP $2"
}

skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

# For what the rest of a test cannot do without.
give_up() {
    diag "$1"
    echo "1..$tap_count"
    exit 1
}

done_testing() {
    echo "1..$tap_count"
    exit $((tap_failed > 0))
}
