/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What runs something in a guest, on its way from an NMI to a thread of its own; runner.h tells the whole story. No
 * instruction of it can fault: it touches its own data, in the kernel's image, and stacks. Calls are direct, so no
 * mitigation of indirect branches is concerned; returns are filled in as the guest wants them.
 */
#include "patcher/runner-code.h"

/* The last four bytes of the instruction before are a field. */
        .macro field what, addend=0
9:      .pushsection .rodata.patch_runner_fields, "a"
        .long   9b - 4 - patch_runner_code, \addend, \what
        .popsection
        .endm

        .macro far_call what
        .byte   0xe8
        .long   0
        field   \what
        .endm

        .macro give_back
9:      .pushsection .rodata.patch_runner_fields, "a"
        .long   9b - patch_runner_code, 0, PATCH_RUNNER_RETURN
        .popsection
        ret
        .skip   4, 0xcc
        .endm

        .macro entry name
        .globl  \name
        .balign 16, 0xcc
\name:
.L\name:
        .byte   0xf3, 0x0f, 0x1e, 0xfa                      /* endbr64 */
        push    %rbp
        mov     %rsp, %rbp
        .endm

/* Calls one more function, if there is one. Its first argument may be the first one's result, which then may not be 0. */
        .macro follow_up what, at
        mov     0(%rip), %rax
        field   PATCH_RUNNER_FOLLOW_UPS, \at
        test    %rax, %rax
        jz      4f
        mov     0(%rip), %rdi
        field   PATCH_RUNNER_FOLLOW_UPS, \at + 8
        test    %rdi, %rdi
        jnz     3f
        mov     0(%rip), %rdi
        field   PATCH_RUNNER_RESULT
        test    %rdi, %rdi
        jz      4f
3:      mov     0(%rip), %rsi
        field   PATCH_RUNNER_FOLLOW_UPS, \at + 16
        far_call \what
4:
        .endm

        .section .rodata.patch_runner_fields, "a"
        .globl  patch_runner_fields, patch_runner_fields_end
        .balign 4
patch_runner_fields:

        .section .rodata.patch_runner_code, "a"
        .globl  patch_runner_code, patch_runner_code_end
        .balign 16
patch_runner_code:

/* int (unsigned int type, struct pt_regs *): each CPU's first NMI is ours, and the first of them does the rest. */
        entry   patch_runner_nmi
        .byte   0x65, 0x8b, 0x04, 0x25                      /* mov %gs:..., %eax */
        .long   0
        field   PATCH_RUNNER_CPU_NUMBER
        lock btr %rax, 0(%rip)
        field   PATCH_RUNNER_PENDING
        jnc     1f
        xor     %eax, %eax
        xchg    %rax, 0(%rip)
        field   PATCH_RUNNER_ARMED
        test    %rax, %rax
        jz      2f
        lea     0(%rip), %rdi
        field   PATCH_RUNNER_IRQ_WORK
        far_call PATCH_RUNNER_IRQ_WORK_QUEUE
2:      mov     $1, %eax
        pop     %rbp
        give_back
1:      xor     %eax, %eax
        pop     %rbp
        give_back

/* void (struct irq_work *) */
        entry   patch_runner_interrupt
        xor     %edi, %edi                                  /* near CPU 0, which is always there */
        mov     0(%rip), %rsi
        field   PATCH_RUNNER_QUEUE
        lea     0(%rip), %rdx
        field   PATCH_RUNNER_WORK
        far_call PATCH_RUNNER_QUEUE_WORK_ON
        pop     %rbp
        give_back

/* void (struct work_struct *) */
        entry   patch_runner_work
        lea     .Lpatch_runner_thread(%rip), %rdi
        xor     %esi, %esi
        mov     $-1, %edx                                   /* NUMA_NO_NODE */
        lea     0(%rip), %rcx
        field   PATCH_RUNNER_NAME
        xor     %eax, %eax
        far_call PATCH_RUNNER_KTHREAD_CREATE
        mov     %rax, 0(%rip)
        field   PATCH_RUNNER_TASK
        mov     %rax, %rdi
        cmp     $-4095, %rax                                /* IS_ERR */
        mov     $PATCH_RUNNER_HAS_NO_THREAD, %eax
        jae     1f
        far_call PATCH_RUNNER_WAKE_UP
        pop     %rbp
        give_back
1:      mov     %rax, 0(%rip)
        field   PATCH_RUNNER_STATE
        pop     %rbp
        give_back

/* int (void *) */
        entry   patch_runner_thread
        push    %rbx                                        /* what a function that is ended has not given back */
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        sub     $8, %rsp
        mov     %rsp, 0(%rip)
        field   PATCH_RUNNER_STACK
        mov     $PATCH_RUNNER_HAS_BEGUN, %eax
        mov     %rax, 0(%rip)
        field   PATCH_RUNNER_STATE
        mov     0(%rip), %rax
        field   PATCH_RUNNER_CANCELLED
        test    %rax, %rax
        mov     $PATCH_RUNNER_WAS_CANCELLED, %eax
        jnz     1f
        mov     0(%rip), %rdi
        field   PATCH_RUNNER_ARGUMENTS, 0
        mov     0(%rip), %rsi
        field   PATCH_RUNNER_ARGUMENTS, 8
        mov     0(%rip), %rdx
        field   PATCH_RUNNER_ARGUMENTS, 16
        mov     0(%rip), %rcx
        field   PATCH_RUNNER_ARGUMENTS, 24
        mov     0(%rip), %r8
        field   PATCH_RUNNER_ARGUMENTS, 32
        mov     0(%rip), %r9
        field   PATCH_RUNNER_ARGUMENTS, 40
        xor     %eax, %eax                                  /* no vector registers, for variadic functions */
        far_call PATCH_RUNNER_FUNCTION
        mov     %rax, 0(%rip)
        field   PATCH_RUNNER_RESULT
        follow_up PATCH_RUNNER_SECOND, 0
        follow_up PATCH_RUNNER_THIRD, PATCH_RUNNER_FOLLOW_UP_BYTES
        mov     $PATCH_RUNNER_HAS_RETURNED, %eax
1:      mov     %rax, 0(%rip)
        field   PATCH_RUNNER_STATE
        xor     %eax, %eax
        add     $8, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbx
        pop     %rbp
        give_back

/* Whoever may not be preempted, or has interrupts off, holds what is not to be left: that stays where it is. */
        .globl  patch_runner_end
        .balign 16, 0xcc
patch_runner_end:
        .byte   0x65, 0x8b, 0x04, 0x25                      /* mov %gs:..., %eax */
        .long   0
        field   PATCH_RUNNER_PREEMPT_COUNT
        test    $0x7fffffff, %eax                           /* all but PREEMPT_NEED_RESCHED */
        jnz     2f
        pushf
        pop     %rax
        test    $0x200, %eax
        jz      2f
        mov     0(%rip), %rsp
        field   PATCH_RUNNER_STACK
        mov     $PATCH_RUNNER_WAS_ENDED, %eax
        jmp     1b
2:      pause
        jmp     2b
patch_runner_code_end:

        .section .rodata.patch_runner_fields, "a"
patch_runner_fields_end:

        .section .note.GNU-stack, "", @progbits
