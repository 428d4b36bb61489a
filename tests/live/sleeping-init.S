/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only program of a guest of 32 or 64 bits: sleeps.
 */
        .globl _start
_start:
#ifdef __x86_64__
        mov     $34, %eax                                   /* pause */
        syscall
#else
        mov     $29, %eax                                   /* pause */
        int     $0x80
#endif
        jmp     _start
