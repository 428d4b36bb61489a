/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In front of the kernel's own <asm/jump_label.h> when the new code of an update is compiled. The kernel patches a static
 * branch wherever its table of jump labels says one is; new code is in no such table. So it tests the key itself, each time,
 * and obeys it now and after any later switch.
 */
#ifndef VIRT_LIVEPATCH_ASM_JUMP_LABEL_H
#define VIRT_LIVEPATCH_ASM_JUMP_LABEL_H

#define arch_static_branch virt_livepatch_unused_static_branch
#define arch_static_branch_jump virt_livepatch_unused_static_branch_jump
#include_next <asm/jump_label.h>
#undef arch_static_branch
#undef arch_static_branch_jump

/* What the patched instruction does: jump if the key is on, or if BRANCH, but not if both. A key that is being switched on
 * has a negative count, and is off. */
static __always_inline bool virt_livepatch_static_branch(struct static_key *key, bool branch)
{
	return (((const volatile struct static_key *)key)->enabled.counter > 0) ^ branch;
}

#define arch_static_branch(key, branch) virt_livepatch_static_branch(key, branch)
#define arch_static_branch_jump(key, branch) virt_livepatch_static_branch(key, branch)

#endif
