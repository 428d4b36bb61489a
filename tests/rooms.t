#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What holds for the tree as a whole: who may include whom, and what each file has or must not have.
set -u
top=$(dirname "$(dirname "$(readlink -f "$0")")")
. "$top/tests/tap.sh"
cd "$top" || exit 1
folders=(vmm introspect patcher guest-agent images tests bench)
existing=()
for folder in "${folders[@]}"; do
    [ ! -d "$folder" ] || existing+=("$folder")
done

# inclusions FROM INTO: lines of C in the folders FROM (an extended regular expression) that include of INTO.
inclusions() {
    find "${existing[@]}" -name '*.[chS]' | grep -E "^($1)/" |
        xargs -r grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[\"<](\.\./)*($2)/"
}

# programs: every file in C or shell.
programs() {
    find "${existing[@]}" quickstart .ci -type f 2> /dev/null | while read -r file; do
        case $file in
            *.[chS] | *.sh | *.t) echo "$file" ;;
            *) [ "$(head -c 3 "$file" | tr -d '\0')" != '#!/' ] || echo "$file" ;;
        esac
    done
}

# unlisted: those that no part of the Makefile names, and so would not be in a distribution.
unlisted() {
    programs | while read -r file; do
        grep -qF -- "${file%.c}" Makefile.am ./*/local.mk tests/*/local.mk || echo "$file"
    done
}

mirrors() {
    command -v apt-get > /dev/null || return 0
    apt-get indextargets --format '$(SITE)' 2> /dev/null | sed -E 's#^[a-z+]+://([^@/]*@)?([^:/]+).*#\2#' | sort -u
}

# commands, options: those of the command line, as the manual page has to name them.
commands() {
    grep -hoP 'PatchCommand patch_cmd_\K[a-z]+(?= = \{)' patcher/*.c | sed 's/^/.It Cm /'
}
options() {
    grep -hoP "\{ \"\K[a-z-]+(?=\", (0|'[a-z]'), )" patcher/*.[ch] | sort -u | sed 's/^/-/'
}
undescribed() {
    { commands; options; } | while read -r name; do
        grep -qE -- "(^|[ ,])$name( |\$)" docs/virt-livepatch.8 || echo "$name"
    done
}

isnt "$(inclusions tests tests)" "" "inclusions are found"
is "$(inclusions vmm 'introspect|patcher')" "" "vmm includes nothing of introspect or patcher"
is "$(inclusions introspect patcher)" "" "introspect includes nothing of patcher"
is "$(inclusions 'vmm|introspect|patcher|images|guest-agent' 'tests|bench')" "" "only tests and bench include of tests"
like "$(programs)" 'vmm/machine.h.*images/run-guest.*tests/rooms\.t.*quickstart' "C and shell files are found"
is "$(programs | xargs grep -L 'SPDX-License-Identifier: GPL-2.0-or-later')" "" "each says its licence"
is "$(unlisted)" "" "the Makefile has each"
is "$(mirrors | grep . | grep -rlFf - "${existing[@]}" docs quickstart README.md configure.ac Makefile.am)" "" \
    "no host that this machine's packages come from is named"
like "$(commands)$(options)" '\.It Cm apply.*-undo-on-oops' "commands and options are found"
is "$(undescribed)" "" "the manual page has each"
done_testing
