#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# create: what it takes, what it refuses, and what it leaves behind; with a real kernel source, and no guest.
. "$(dirname "$0")/lib.sh"

"$top/images/fetch-kernel" --source "$(< "$VLP_KERNEL/version")" > /dev/null || give_up "there is no kernel source"
tree=$VLP_KERNEL/source

# patch_of NAME FILE SED-SCRIPT...: makes $work/NAME.patch, which does to FILE what sed does; more files may follow.
patch_of() {
    local name=$1
    shift
    while [ $# -gt 0 ]; do
        mkdir -p "$work/new/$(dirname "$1")"
        sed "$2" "$tree/$1" > "$work/new/$1"
        diff -u --label "a/$1" --label "b/$1" "$tree/$1" "$work/new/$1"
        shift 2
    done > "$work/$name.patch"
}

# creates STATUS NAME PATCH [OPTION...]
creates() {
    local status=$1 name=$2 patch=$3
    shift 3
    vlp_exits "$status" "$name" create --source "$tree" --config "$VLP_KERNEL/config-$(< "$VLP_KERNEL/release")" -o "$work/$patch.vlp" "$@" \
        "$work/$patch.patch"
}

# Bad input
: > "$work/empty.patch"
creates 4 "an empty patch" empty
like "$err" 'no unified diff' "is refused"
head -c 4096 /bin/bash > "$work/binary.patch"
creates 2 "a binary" binary
patch_of kconfig net/Kconfig '1s/$/ x/'
creates 4 "a change of the configuration" kconfig
like "$err" 'how the kernel is built' "is refused"
printf -- '--- /dev/null\n+++ b/fs/new.c\n@@ -0,0 +1 @@\n+int x;\n' > "$work/new-file.patch"
creates 4 "a new file" new-file
like "$err" 'adds the file fs/new\.c' "is refused by name"
patch_of words Documentation/process/howto.rst '1s/$/ x/'
creates 4 "a change of documentation only" words
patch_of foreign drivers/net/ethernet/apple/bmac.c '/^#include/s/$/ /'
creates 4 "a change of what is not built" foreign
like "$err" 'nothing that is built with this configuration: drivers/net/ethernet/apple/bmac\.c' "says so"
patch_of broken fs/proc/uptime.c 's/^static int uptime_proc_show.*/int x = ;\n&/'
creates 1 "a patch that does not compile" broken
like "$err" 'uptime\.c:[0-9]+:[0-9]+: error: expected' "shows what the compiler says"
sed 's/^ .*seq_file.*/ nothing like it/' "$top/images/demo/uptime.patch" > "$work/misfit.patch"
creates 4 "a patch that does not apply" misfit
like "$err" 'does not apply to fs/proc/uptime\.c' "names the file"
ok "none of them left a file" test -z "$(ls "$work"/*.vlp 2> /dev/null)"

# What it reaches
patch_of module net/netfilter/nft_lookup.c 's/found ^= priv->invert;/found = priv->invert ? !found : found \&\& set->ops;/'
creates 0 "a module's file" module
vlp show "$work/module.vlp"
like "$out" 'module nf_tables' "is for that module"
vlp show --disassemble "$work/module.vlp"
like "$out" $'nft_lookup_eval:\n    0  callq  __fentry__  \[ftrace\]' "shows its code"
vlp -o json show --disassemble "$work/module.vlp"
like "$out" '"same":false,"old":\{"offset":0,"bytes":"e800000000","text":"callq","refers_to":"__fentry__","site":"ftrace"' \
    "shows it to programs, too"
patch_of header net/ipv4/udp_impl.h 's/^#endif/int udp_never(void);\n&/'
creates 4 "a header that changes no code" header
like "$err" 'nothing uses what the patch changes|changes no code' "says so"
patch_of inline fs/proc/internal.h 's/return pde->flags & PROC_ENTRY_PERMANENT;/return (pde->flags \& PROC_ENTRY_PERMANENT) \&\& pde->mode;/'
creates 0 "an inline function in a header" inline
like "$out" 'fs/proc/inode\.o' "changes one object that uses it"
like "$out" 'fs/proc/generic\.o' "and the other"
patch_of second-name include/net/dst.h 's/^\(\tunsigned long\t*\)_metrics;/\tunion { unsigned long _metrics, vlp_metrics; };/'
vlp_exits 4 "a second name for a member that a thousand files know" -v create --source "$tree" \
    --config "$VLP_KERNEL/config-$(< "$VLP_KERNEL/release")" -o "$work/second-name.vlp" "$work/second-name.patch"
like "$err" '[0-9]{4} files include what the patch changes, 0 of them may use it' "is none of theirs"
like "$err" 'nothing uses what the patch changes' "says so"
patch_of new-header fs/proc/uptime.c '/^#include "internal.h"/a\
#include "vlp_word.h"
    /^static int uptime_proc_show/,/^}/s/^\treturn 0;/\tseq_puts(m, vlp_word());\n&/'
printf -- '--- /dev/null\n+++ b/fs/proc/vlp_word.h\n@@ -0,0 +1 @@\n+static inline const char *vlp_word(void) { return "up\\n"; }\n' \
    >> "$work/new-header.patch"
creates 0 "a header that is new" new-header
like "$out" 'uptime_proc_show ' "changes what includes it"
sed 's/vlp_word\.h/kernel_stat.h/' "$work/new-header.patch" > "$work/other-header.patch"
creates 4 "a header that might be taken for another" other-header
like "$err" 'in place of include/linux/kernel_stat\.h' "is refused by name"
patch_of included kernel/sched/rt.c 's/^\t\trt_se->on_list = 1;/&\n\t\tcpu_relax();/'
creates 0 "a C file that another one includes" included
like "$out" 'kernel/sched/build_policy\.o' "changes the object of that one"

patch_of switched mm/page_alloc.c '/^int __alloc_contig_migrate_range(/,/^}/s/lru_cache_disable();/&\n\tcpu_relax();/'
creates 4 "a function that a static key alone leads from to what it prints" switched
like "$err" 'refers to descriptor.*there is no telling where it is' "is refused by name"

# What has run at boot
patch_of boot-constant net/ipv4/cipso_ipv4.c 's/^\(#define CIPSO_V4_CACHE_BUCKETBITS *\).*/\19/'
creates 4 "the size of a table that boot code has made, and that other code goes by" boot-constant
like "$err" 'cipso_v4_init \(in \.init\.text\) changes by CIPSO_V4_CACHE_BUCKETS' "is refused by the constant's name"

# The same wherever it is made, and after it was cut off
cut_off() {
    XDG_CACHE_HOME=$work/cache setsid "$VLP_BUILD/virt-livepatch" -v create --source "$tree" \
        --config "$VLP_KERNEL/config-$(< "$VLP_KERNEL/release")" -o "$work/cut.vlp" "$work/module.patch" 2> "$work/cut.err" &
    local pid=$!
    until ps -o comm= -s "$pid" | grep -q make; do
        kill -0 "$pid" 2> /dev/null || return 1
        sleep 0.1
    done
    kill -TERM "$pid"
    wait "$pid"
    status=$?
    timeout 60 sh -c "while [ -n \"\$(ps -o pid= -s $pid)\" ]; do sleep 0.1; done"
    left=$(ps -o args= -s "$pid")
}
cut_off
is "$status" 143 "a signal ends it"
is "$left" "" "and all that it started"
ok "there is no half-made file" test ! -e "$work/cut.vlp"
ok "and what it was working on is gone" test -z "$(ls -A "$work"/cache/virt-livepatch/*/work)"
mkdir "$work/tree"
if mount --bind "$tree/" "$work/tree" 2> /dev/null; then
    guests+=("umount $work/tree")
    ok "the same again, with another folder, name, locale, time zone and umask" bash -c 'umask 077; exec "$@"' - \
        env -i "PATH=$PATH" TZ=Pacific/Auckland LC_ALL=C.UTF-8 USER=nobody LOGNAME=nobody HOME=/nonexistent \
        "XDG_CACHE_HOME=$work/cache" "$VLP_BUILD/virt-livepatch" -q create --source "$work/tree" \
        --config "$VLP_KERNEL/config-$(< "$VLP_KERNEL/release")" -o "$work/again.vlp" "$work/module.patch"
    ok "gives the same file" cmp "$work/module.vlp" "$work/again.vlp"
fi

# A full disk
mkdir "$work/small"
if mount -t tmpfs -o size=2m none "$work/small" 2> /dev/null; then
    guests+=("umount $work/small")
    sed 's/^CONFIG_CC_VERSION_TEXT=.*/CONFIG_CC_VERSION_TEXT="gcc-9 (Debian 9.3.0-1) 9.3.0"/' "$VLP_KERNEL/config" > "$work/other-config"
    XDG_CACHE_HOME=$work/small creates 1 "a full cache" module --config "$work/other-config"
    like "$err" 'No space left on device' "is said"
    like "$err" 'warning: the kernel was built with gcc-9 .*, this is gcc' "and, before anything is built, that the compiler is another"
    rm -rf "${work:?}/small/"*
    head -c 3M /dev/zero > "$work/small/full" 2> /dev/null
    vlp_exits 1 "a full disk" create --source "$tree" --config "$VLP_KERNEL/config-$(< "$VLP_KERNEL/release")" -o "$work/small/x.vlp" \
        "$work/module.patch"
    ok "there is no half-made file" test -z "$(ls "$work/small" | grep -v full)"
fi
done_testing
