/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For source patches: functions that are called in the guest around an update. #include <virt-livepatch.h> where they are;
 * docs/writing-updates.md explains them.
 *
 *	static int prepare(void) { ...; return 0; }
 *	virt_livepatch_pre_apply(prepare, 5);
 *
 * Each is int (*)(void), is called in a kernel thread of its own, may sleep, and returns 0 or a negative error; the number
 * is how many seconds it may take.
 *
 *	pre_apply	before anything calls the new functions; an error refuses the update
 *	post_apply	when everything calls them
 *	pre_undo	before the update is taken out; an error refuses that
 *	post_undo	when nothing calls the new functions any more; also when pre_apply was called, and refused, or the
 *			update could not be applied after all
 */
#ifndef VIRT_LIVEPATCH_H
#define VIRT_LIVEPATCH_H

#include <linux/compiler.h>

struct virt_livepatch_hook {
	unsigned int kind;
	unsigned int limit_seconds;
	int (*function)(void);
};

#define virt_livepatch_hook(number, name, fn, seconds)				\
	static const struct virt_livepatch_hook __used				\
	__attribute__((__section__(".virt_livepatch.hooks"), __aligned__(8)))	\
	virt_livepatch_##name##_##fn = { number, seconds, fn }

#define virt_livepatch_pre_apply(fn, seconds) virt_livepatch_hook(0, pre_apply, fn, seconds)
#define virt_livepatch_post_apply(fn, seconds) virt_livepatch_hook(1, post_apply, fn, seconds)
#define virt_livepatch_pre_undo(fn, seconds) virt_livepatch_hook(2, pre_undo, fn, seconds)
#define virt_livepatch_post_undo(fn, seconds) virt_livepatch_hook(3, post_undo, fn, seconds)

#endif
