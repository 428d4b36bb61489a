/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that is no Linux: a multiboot image that turns on paging, in 64-bit mode or, with PAGED_32 defined, in 32-bit
 * mode, and halts. To be given to QEMU's -kernel.
 */
#define MULTIBOOT_MAGIC 0x1badb002
#define IMAGE 0x100000          /* where it is linked to */
#define PRESENT_WRITABLE 3
#define LARGE 0x80

        .section .text
        .balign 4
image:  .long MULTIBOOT_MAGIC, 0, -MULTIBOOT_MAGIC

        .code32
        .globl _start
_start:
        mov     $tables, %edi
        mov     %cr4, %eax
#ifdef PAGED_32
        movl    $(PRESENT_WRITABLE | LARGE), (%edi)         /* the first 4 MiB, where they are */
        or      $0x10, %eax                                 /* PSE */
        mov     %eax, %cr4
        mov     %edi, %cr3
#else
        lea     0x1003(%edi), %ebx                          /* top table, the one below, and the first 2 MiB */
        mov     %ebx, (%edi)
        add     $0x1000, %ebx
        mov     %ebx, 0x1000(%edi)
        movl    $(PRESENT_WRITABLE | LARGE), 0x2000(%edi)
        or      $0x20, %eax                                 /* PAE */
        mov     %eax, %cr4
        mov     %edi, %cr3
        mov     $0xc0000080, %ecx                           /* EFER.LME */
        rdmsr
        or      $0x100, %eax
        wrmsr
#endif
        mov     %cr0, %eax
        or      $0x80000000, %eax
        mov     %eax, %cr0
        cli
#ifndef PAGED_32
        lgdt    gdt_pointer
        ljmp    $8, $2f
        .code64
2:      mov     $stack, %esp
        xor     %eax, %eax
        mov     %eax, %ss
        mov     $idt_pointer, %eax
        lidt    (%rax)
#endif
        mov     $'!', %al                                   /* says so, if QEMU has a -debugcon */
        out     %al, $0xe9
1:      hlt
        jmp     1b
#ifndef PAGED_32
nmi:    iretq

        .balign 8
gdt:    .quad   0, 0x00209a0000000000                       /* code, 64 bits */
gdt_pointer:
        .word   . - gdt - 1
        .long   gdt
idt:    .skip   2 * 16
        .word   nmi - image, 8, 0x8e00, IMAGE >> 16         /* 2: what comes whether one wants it or not */
        .quad   0
idt_pointer:
        .word   . - idt - 1
        .long   idt, 0
#endif

        .section .bss
        .balign 4096
tables: .skip   3 * 4096
        .skip   256
stack:
