/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest of a few hundred bytes for the embedded machine: each vCPU calls a function for ever, and counts what it
 * answers, and the NMIs that it takes. tests/vmm/kvm-guest.h has the table at its start.
 */
#define IA32_APIC_BASE 0x1b
#define APIC_ON 0xc00           /* and in x2APIC mode */
#define X2APIC_SVR 0x80f
#define SVR_ON 0x1ff
#define X2APIC_LINT1 0x836
#define LINT1_NMI 0x400
#define GATE 0x8e00
#define NMI_GATE (idt + 2 * 16)

    .set MAX_VCPUS, 8
    .text
    .globl _start
_start:
    jmp     start
    .balign 8
    .quad   answer, spare, old_counts, new_counts, wrong_counts, nmi_counts

start:
    lea     1(%rdi), %rsp
    shl     $8, %rsp
    add     $stacks, %rsp
    mov     $nmi, %eax
    mov     %ax, NMI_GATE
    shr     $16, %eax
    mov     %ax, NMI_GATE + 6
    mov     %cs, %eax
    mov     %ax, NMI_GATE + 2
    movw    $GATE, NMI_GATE + 4
    lidt    idt_place
    mov     $IA32_APIC_BASE, %ecx
    rdmsr
    or      $APIC_ON, %eax
    wrmsr
    xor     %edx, %edx
    mov     $X2APIC_SVR, %ecx
    mov     $SVR_ON, %eax
    wrmsr
    mov     $X2APIC_LINT1, %ecx
    mov     $LINT1_NMI, %eax
    wrmsr
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

nmi:
    incq    nmi_counts(,%rdi,8)
    iretq

    .balign 16
answer:
    .byte   0x0f, 0x1f, 0x44, 0x00, 0x00        /* a nop of five bytes, as the function tracer leaves it */
    mov     $1, %eax
    ret

idt_place:
    .word   3 * 16 - 1
    .quad   idt

    .balign 4096, 0xcc
spare:
    .fill   4096, 1, 0xcc

    .bss
    .balign 4096
old_counts:     .skip 8 * MAX_VCPUS
new_counts:     .skip 8 * MAX_VCPUS
wrong_counts:   .skip 8 * MAX_VCPUS
nmi_counts:     .skip 8 * MAX_VCPUS
idt:            .skip 3 * 16
stacks:         .skip 256 * MAX_VCPUS
    .section .note.GNU-stack, "", @progbits
