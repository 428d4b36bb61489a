/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest of a few hundred bytes for the embedded machine: each vCPU calls a function for ever, and counts what it
 * answers. tests/vmm/kvm-guest.h has the table at its start.
 */
    .set MAX_VCPUS, 8
    .text
    .globl _start
_start:
    jmp     start
    .balign 8
    .quad   answer, spare, old_counts, new_counts, wrong_counts

start:
    lea     1(%rdi), %rsp
    shl     $8, %rsp
    add     $stacks, %rsp
    mov     $0x3f8, %edx
    lea     'A'(%rdi), %eax
    out     %al, %dx
again:
    call    answer
    cmp     $1, %eax
    je      was_old
    cmp     $2, %eax
    je      was_new
    incq    wrong_counts(,%rdi,8)
    jmp     again
was_old:
    incq    old_counts(,%rdi,8)
    jmp     again
was_new:
    incq    new_counts(,%rdi,8)
    jmp     again

    .balign 16
answer:
    .byte   0x0f, 0x1f, 0x44, 0x00, 0x00        /* a nop of five bytes, as the function tracer leaves it */
    mov     $1, %eax
    ret

    .balign 4096, 0xcc
spare:
    .fill   4096, 1, 0xcc

    .bss
    .balign 4096
old_counts:     .skip 8 * MAX_VCPUS
new_counts:     .skip 8 * MAX_VCPUS
wrong_counts:   .skip 8 * MAX_VCPUS
stacks:         .skip 256 * MAX_VCPUS
    .section .note.GNU-stack, "", @progbits
