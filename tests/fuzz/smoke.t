#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each fuzzer for VLP_FUZZ_SECONDS, one on each processor at a time, from what a real guest gave. Needs `make fuzzers` in the
# build directory, VLP_BUILD.
# VLP_FUZZERS: the names of those to be run, instead of all.
#
# No input may take more than two seconds of CPU time (fuzz.c) or 256 MiB.
set -u
top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
. "$top/tests/tap.sh"
: "${VLP_BUILD:=$top/build}"
: "${VLP_FUZZ_SECONDS:=5}"
: "${VLP_FUZZERS:=$(basename -s .c "$top"/tests/fuzz/fuzz-*.c)}"
export VLP_FUZZ_GUEST=$VLP_BUILD/fuzz-seeds/guest
export VLP_FUZZ_UPDATE=$VLP_BUILD/fuzz-seeds/update.vlp
# What the sanitizer keeps of memory that was freed is not the fuzzed code's.
export ASAN_OPTIONS=quarantine_size_mb=8
work=$(mktemp -d)
export TMPDIR=$work
trap 'rm -rf "$work"' EXIT

# fuzz NAME: into $work/NAME.log; it has to have looked at something, and to have found nothing.
fuzz() {
    local options=(-max_total_time="$VLP_FUZZ_SECONDS" -timeout=60 -rss_limit_mb=256 -print_final_stats=1
                   -artifact_prefix="$VLP_BUILD/$1-") corpora=("$work/$1")
    mkdir "$work/$1"
    [ ! -e "$top/tests/fuzz/$1.dict" ] || options+=(-dict="$top/tests/fuzz/$1.dict")
    [ ! -d "$VLP_BUILD/fuzz-seeds/$1" ] || corpora+=("$VLP_BUILD/fuzz-seeds/$1")
    "$VLP_BUILD/tests/fuzz/$1" "${options[@]}" "${corpora[@]}" > "$work/$1.log" 2>&1
    ! grep -q '^Done [1-9]' "$work/$1.log" || grep -q '^==.*ERROR' "$work/$1.log" || touch "$work/$1.done"
}

# is_done NAME: on failure, the end of its log, which has the input in base64 if that is short. The input itself is kept in the
# build directory.
is_done() {
    [ -e "$work/$1.done" ] || { tail -n 40 "$work/$1.log"; return 1; }
}

# figures NAME: how much of the code was reached.
figures() {
    sed -n "s/^#\([0-9]*\).* \(cov: [0-9]* ft: [0-9]*\) .*/$1: \1 inputs, \2/p" "$work/$1.log" | tail -n 1
    sed -n "s/^stat::peak_rss_mb: */$1: peak MiB: /p" "$work/$1.log"
}

ok "there is a guest to start from" "$top/tests/fuzz/prepare" "$VLP_BUILD" || give_up "nothing to damage"
export top work VLP_BUILD VLP_FUZZ_SECONDS
export -f fuzz
xargs -n 1 -P "$(nproc)" bash -c 'fuzz "$1"' - <<< "$VLP_FUZZERS"
for name in $VLP_FUZZERS; do
    ok "$name" is_done "$name"
    diag "$(figures "$name")"
done
done_testing
