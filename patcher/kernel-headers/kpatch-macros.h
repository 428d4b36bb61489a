/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For source patches that were written for kpatch: its callbacks become hooks. Each is called with NULL, as there is no object
 * of the kernel's livepatch; what a patch asks kpatch not to look at needs nothing here.
 */
#ifndef VIRT_LIVEPATCH_KPATCH_MACROS_H
#define VIRT_LIVEPATCH_KPATCH_MACROS_H

#include <linux/printk.h>
#include <virt-livepatch.h>

typedef struct klp_object patch_object;

/* kpatch has no limit: the kernel waits. */
#define VIRT_LIVEPATCH_KPATCH_SECONDS 60

#define virt_livepatch_kpatch(kind, fn, ...)					\
	static int virt_livepatch_kpatch_##fn(void) { __VA_ARGS__ }		\
	virt_livepatch_##kind(virt_livepatch_kpatch_##fn, VIRT_LIVEPATCH_KPATCH_SECONDS)

#define KPATCH_PRE_PATCH_CALLBACK(fn) virt_livepatch_kpatch(pre_apply, fn, return fn(NULL);)
#define KPATCH_POST_PATCH_CALLBACK(fn) virt_livepatch_kpatch(post_apply, fn, fn(NULL); return 0;)
#define KPATCH_PRE_UNPATCH_CALLBACK(fn) virt_livepatch_kpatch(pre_undo, fn, fn(NULL); return 0;)
#define KPATCH_POST_UNPATCH_CALLBACK(fn) virt_livepatch_kpatch(post_undo, fn, fn(NULL); return 0;)

#define KPATCH_PRINTK(...) printk(__VA_ARGS__)
#define KPATCH_IGNORE_SECTION(section)
#define KPATCH_IGNORE_FUNCTION(fn)

#endif
