#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each fuzzer for VLP_FUZZ_SECONDS, from nothing. Needs `make fuzzers` in the build directory, VLP_BUILD.
set -u
top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
. "$top/tests/tap.sh"
: "${VLP_BUILD:=$top/build}"
: "${VLP_FUZZ_SECONDS:=5}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fuzz PROGRAM: on failure says the end of its log, which has the input in base64 if that is short.
fuzz() {
    local options=(-max_total_time="$VLP_FUZZ_SECONDS" -timeout=20 -rss_limit_mb=2048 -artifact_prefix="$work/")
    "$1" "${options[@]}" > "$work/log" 2>&1 && grep -q '^Done [1-9]' "$work/log" && return
    tail -n 40 "$work/log"
    return 1
}

for source in "$top"/tests/fuzz/fuzz-*.c; do
    name=$(basename "$source" .c)
    ok "$name" fuzz "$VLP_BUILD/tests/fuzz/$name"
done
done_testing
