#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Updates for other generations of Debian's kernel, each made with the compiler that the kernel was built with: applied,
# provoked, verified, undone. VLP_RELEASES says which ("5.10 6.12 newest").
. "$(dirname "$0")/lib.sh"
: "${VLP_RELEASES:=newest}"

# A new function with data of its own, that warns and writes to the log.
hostname='/^SYSCALL_DEFINE2(sethostname/i\
static noinline void vlp_named(int len)\
{\
	static atomic_t calls = ATOMIC_INIT(40);\
\
	WARN(len == 7, "a name of seven");\
	pr_notice("name number %d\\n", atomic_inc_return(\&calls));\
}\

/^SYSCALL_DEFINE2(sethostname/,/^}/s/if (len < 0 ||/vlp_named(len);\n\tif (len < 0 ||/'
# From 6.12 on, the kernel builds the limit of user memory into its code when it boots. Nothing else here takes more than code.
uptime='/^#include <linux\/kernel_stat.h>/a\
#include <linux/uaccess.h>

/^static int uptime_proc_show/,/^}/s/\treturn 0;/\
	seq_printf(m, "kernel %d user %d\\n", access_ok((void __user *) m, 1), access_ok((void __user *) 4096, 1));\
&/'
initstate='/^static ssize_t initstate_show/,/^}/s/%u\\n/%u new\\n/'

text() { in_guest 'ktext | sha256sum'; }
zram() { in_guest cat /sys/block/zram0/initstate; }

# update_for RELEASE: makes $work/RELEASE.vlp, and sets $id and $VLP_KERNEL. Fails if its suite has another compiler by now than
# the one that built its kernel: the code may be another, too.
update_for() {
    generation_choose "$1"
    make_patch "$1" kernel/sys.c "$hostname" fs/proc/uptime.c "$uptime" drivers/block/zram/zram_drv.c "$initstate"
    PATH=$compilers:$PATH update_create "$work/$1.patch" "$1"
    id=$(< "$work/$1.id")
    case $err in *'the kernel was built with'*) diag "$err"; return 1 ;; esac
}

# lives_through RELEASE: all that an update goes through there.
lives_through() {
    local initramfs release before said
    update_for "$1" || { skip "$1" "the compiler that built its kernel is not there any more"; return; }
    initramfs=$("$top/images/mkinitramfs" --modules zram "$VLP_KERNEL") || give_up "there is no guest for $1"
    guest_start -k "$VLP_KERNEL" -i "$initramfs"
    release=$(in_guest uname -r)
    before=$(text)
    vlp_exits 0 "$release: check" check "$qmp" "$work/$1.vlp"
    vlp_exits 0 "$release: apply" apply --settle 0 "$qmp" "$work/$1.vlp"
    is "$(zram)" "0 new" "$release: a module's new code is in force"
    is "$(in_guest 'tail -n 1 /proc/uptime')" "kernel 0 user 1" "$release: new code knows where user memory ends"
    in_guest 'dmesg -c > /dev/null; hostname of7char; hostname other'
    said=$(in_guest dmesg)
    like "$said" "name number 41" "$release: new code writes to the log"
    like "$said" "name number 42" "$release: and keeps its data"
    like "$said" "WARNING: .*kernel/sys\.c:[0-9]+" "$release: it warns, as of its own source"
    like "$said" "vlp_named(\.[a-z]+)*\+0x[0-9a-f]+/0x[0-9a-f]+ \[vlp_$id\]" "$release: and is named in the backtrace"
    is "$(in_guest hostname)" "other" "$release: the old function's work is done"
    vlp_exits 0 "$release: view" view "$qmp"
    like "$out" "initstate_show of zram" "$release: shows the module's function"
    vlp_exits 0 "$release: verify" verify "$qmp"
    vlp_exits 0 "$release: undo" undo "$qmp" "$id"
    is "$(zram)" "0" "$release: the module's old code is in force"
    is "$(text)" "$before" "$release: the kernel's text is what it was"
    in_guest 'dmesg -c > /dev/null; hostname again'
    unlike "$(in_guest dmesg)" "name number" "$release: the kernel's old code is in force"
    "$top/images/stop-guest" "$guest"
}

for generation in $VLP_RELEASES; do
    lives_through "$generation"
done
done_testing
