/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only program of a 32-bit guest: sleeps.
 */
        .globl _start
_start:
        mov     $29, %eax                                   /* pause */
        int     $0x80
        jmp     _start
