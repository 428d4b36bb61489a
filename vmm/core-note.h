/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The note with a vCPU's registers in a memory image. Source: QEMU's target/i386/arch_dump.c (QEMUCPUState).
 */
#ifndef VMM_CORE_NOTE_H
#define VMM_CORE_NOTE_H

#include "vmm/vcpu.h"

#define VMM_QEMU_NOTE_OWNER "QEMU"
#define VMM_QEMU_NOTE_VERSION 1

typedef struct {
    guint32 selector, limit, flags, pad;
    guint64 base;
} VmmQemuNoteSegment;

/* kernel_gs_base is missing before QEMU 3.1. */
typedef struct {
    guint32 version, size;
    guint64 rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r[8];
    guint64 rip, rflags;
    VmmQemuNoteSegment cs, ds, es, fs, gs, ss, ldt, tr, gdt, idt;
    guint64 cr[5];
    guint64 kernel_gs_base;
} VmmQemuNote;

#define VMM_QEMU_NOTE_LEAST G_STRUCT_OFFSET(VmmQemuNote, kernel_gs_base)

G_STATIC_ASSERT(sizeof(VmmQemuNote) == 440);

/* Of what a VmmVcpu has; the rest is 0. */
VmmQemuNote vmm_qemu_note(const VmmVcpu *vcpu);

/* All that the note tells but the index. EFER is not in it: QEMU calls the file x86-64 if its first vCPU was in long mode,
 * and a vCPU with paging is as the first one then; nobody runs some vCPUs in long mode and others with 32-bit page
 * tables. */
VmmVcpu vmm_qemu_note_vcpu(const VmmQemuNote *note);

#endif
