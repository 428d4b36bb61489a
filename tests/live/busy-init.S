/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only program of a guest: runs, and never calls the kernel, which it cannot where KVM emulates the processor: there,
 * syscall leaves it without privileges, and int $0x80 is no instruction.
 */
        .globl _start
_start:
        pause
        jmp     _start
