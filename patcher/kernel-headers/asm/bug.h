/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In front of the kernel's own <asm/bug.h> when the new code of an update is compiled. The kernel makes a warning of a ud2
 * instruction that its table of bugs knows; new code is in no such table. So it calls what the trap would have called.
 */
#ifndef VIRT_LIVEPATCH_ASM_BUG_H
#define VIRT_LIVEPATCH_ASM_BUG_H

#include_next <asm/bug.h>

#if defined(CONFIG_BUG) && defined(__WARN_FLAGS) && defined(BUGFLAG_ONCE)

/* A warning with FLAGS, after SAY, a statement, has told what is the matter. */
#define __vlp_warn(flags, say)							\
do {										\
	static bool __attribute__((__section__(".data.once"))) __already_warned; \
	const unsigned int __warn_flags = (flags);				\
										\
	if (!(__warn_flags & BUGFLAG_ONCE) || !__already_warned) {		\
		void *__warn_ip;						\
										\
		if (__warn_flags & BUGFLAG_ONCE)				\
			__already_warned = true;				\
		asm("lea 0(%%rip), %0" : "=r" (__warn_ip));			\
		instrumentation_begin();					\
		say;								\
		__warn(__FILE__, __LINE__, __warn_ip, __warn_flags >> 8, NULL, NULL); \
		instrumentation_end();						\
	}									\
} while (0)

/* Newer kernels give the condition's text first. */
#define __vlp_second(first, second, ...) second
#undef __WARN_FLAGS
#define __WARN_FLAGS(arguments...)						\
	__vlp_warn(__vlp_second(arguments, arguments), if (!(__warn_flags & BUGFLAG_NO_CUT_HERE)) printk(KERN_DEFAULT CUT_HERE))

/* Newer kernels have the trap print the message, too. */
#ifdef __WARN_print_arg
#undef __WARN_print_arg
#define __WARN_print_arg(flags, format, arguments...) __vlp_warn(flags, __warn_printk(format, ## arguments))
#endif

/* The trap itself still stops whoever ran into it; only its file and line have to be told before. */
#undef BUG
#define BUG()									\
do {										\
	instrumentation_begin();						\
	printk(KERN_EMERG "kernel BUG at %s:%d!\n", __FILE__, __LINE__);	\
	asm volatile(ASM_UD2);							\
	__builtin_unreachable();						\
} while (0)

#endif

#endif
