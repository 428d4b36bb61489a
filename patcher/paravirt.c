/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patcher/paravirt.h"

#define MEMBER_BYTES 8

typedef struct {
    const char *member;         /* of struct paravirt_patch_template */
    guint8 length;
    guint8 code[3];
} Operation;

#define SAME_VALUE 3, { 0x48, 0x89, 0xf8 }                  /* mov %rdi, %rax */

static const Operation operations[] = {
    { "irq.irq_disable", 1, { 0xfa } },                     /* cli */
    { "irq.irq_enable", 1, { 0xfb } },                      /* sti */
    { "irq.save_fl", 2, { 0x9c, 0x58 } },                   /* pushf; pop %rax */
    { "irq.restore_fl", 2, { 0x57, 0x9d } },                /* push %rdi; popf */
    { "cpu.wbinvd", 2, { 0x0f, 0x09 } },
    { "mmu.read_cr2", 3, { 0x0f, 0x20, 0xd0 } },            /* mov %cr2, %rax */
    { "mmu.read_cr3", 3, { 0x0f, 0x20, 0xd8 } },
    { "mmu.write_cr3", 3, { 0x0f, 0x22, 0xdf } },
    { "lock.queued_spin_unlock", 3, { 0xc6, 0x07, 0x00 } }, /* movb $0, (%rdi) */
    { "lock.vcpu_is_preempted", 2, { 0x31, 0xc0 } },        /* xor %eax, %eax */
    { "mmu.pte_val", SAME_VALUE }, { "mmu.make_pte", SAME_VALUE },
    { "mmu.pmd_val", SAME_VALUE }, { "mmu.make_pmd", SAME_VALUE },
    { "mmu.pud_val", SAME_VALUE }, { "mmu.make_pud", SAME_VALUE },
    { "mmu.p4d_val", SAME_VALUE }, { "mmu.make_p4d", SAME_VALUE },
    { "mmu.pgd_val", SAME_VALUE }, { "mmu.make_pgd", SAME_VALUE },
};

const guint8 *
patch_paravirt_native(const IntroBtf *btf, guint64 index, gsize *length)
{
    for (gsize i = 0; i < G_N_ELEMENTS(operations); i++) {
        gsize offset;

        if (!intro_btf_offset(btf, "paravirt_patch_template", operations[i].member, &offset, NULL) ||
            offset / MEMBER_BYTES != index)
            continue;
        *length = operations[i].length;
        return operations[i].code;
    }
    return NULL;
}
