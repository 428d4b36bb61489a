/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that raises a software interrupt, says so in its handler, comes back, says that, too, and resets the machine.
 */
    .set SERIAL, 0x3f8
    .set KEYBOARD, 0x64
    .set CODE_SELECTOR, 0x10
    .set INTERRUPT_GATE, 0x8e
    .text
    .globl _start
_start:
    mov     $stack_end, %rsp
    mov     $handler, %rax
    mov     %ax, gate
    movw    $CODE_SELECTOR, gate + 2
    movw    $INTERRUPT_GATE << 8, gate + 4
    shr     $16, %rax
    mov     %ax, gate + 6
    lidt    table
    mov     $SERIAL, %edx
    int3
    mov     $'r', %al
    out     %al, %dx
    mov     $0xfe, %al
    out     %al, $KEYBOARD
0:  hlt
    jmp     0b

handler:
    mov     $'3', %al
    out     %al, %dx
    iretq

    .balign 8
table:
    .word   4 * 16 - 1
    .quad   gates

    .bss
    .balign 16
gates:  .skip 3 * 16
gate:   .skip 16
    .skip 4096
stack_end:
    .section .note.GNU-stack, "", @progbits
