/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In front of the kernel's own <asm/runtime-const.h> when the new code of an update is compiled. The kernel builds some
 * variables into its code when it boots, wherever its tables say; new code is in none of them, and reads the variables.
 */
#ifndef VIRT_LIVEPATCH_ASM_RUNTIME_CONST_H
#define VIRT_LIVEPATCH_ASM_RUNTIME_CONST_H

#include_next <asm/runtime-const.h>

#undef runtime_const_ptr
#undef runtime_const_shift_right_32
#define runtime_const_ptr(sym) (sym)
#define runtime_const_shift_right_32(val, sym) ((u32)(val) >> (sym))

#endif
