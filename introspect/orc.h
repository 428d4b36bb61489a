/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ORC unwind data, of vmlinux and of modules: where, at an instruction, the frame before it is to be found.
 * Formats: arch/x86/include/asm/orc_types.h; lookup as in arch/x86/kernel/unwind_orc.c.
 *
 * An entry's bits have moved and its types and registers were renumbered over time; entries leave here in one form,
 * whatever the kernel has.
 */
#ifndef INTROSPECT_ORC_H
#define INTROSPECT_ORC_H

#include "introspect/kernel.h"

typedef enum {
    INTRO_ORC_REG_UNDEFINED, INTRO_ORC_REG_PREV_SP, INTRO_ORC_REG_AX, INTRO_ORC_REG_DX, INTRO_ORC_REG_DI,
    INTRO_ORC_REG_BP, INTRO_ORC_REG_SP, INTRO_ORC_REG_R10, INTRO_ORC_REG_R13, INTRO_ORC_REG_BP_INDIRECT,
    INTRO_ORC_REG_SP_INDIRECT,
    INTRO_ORC_REG_UNKNOWN,
} IntroOrcRegister;

typedef enum {
    INTRO_ORC_UNDEFINED,        /* nothing is known here */
    INTRO_ORC_END_OF_STACK,     /* no frame before this one */
    INTRO_ORC_CALL,             /* a call's return address lies below the previous stack pointer */
    INTRO_ORC_REGS,             /* a whole struct pt_regs lies there */
    INTRO_ORC_REGS_PARTIAL,     /* the part of it that iret takes lies there */
    INTRO_ORC_FRAME,            /* no kernel has it: code without ORC data that keeps frame pointers */
} IntroOrcType;

typedef struct {
    gint16 sp_offset, bp_offset;        /* bytes */
    IntroOrcRegister sp_register, bp_register;
    IntroOrcType type;
    gboolean signal;                    /* the frame before this one stands at an instruction, not behind a call */
} IntroOrcEntry;

#define INTRO_ORC_N_REGISTERS 16

/* Where a kernel's struct orc_entry has its parts, and what its registers' numbers mean. */
typedef struct {
    gsize size_bytes;
    const IntroOrcRegister *registers;  /* INTRO_ORC_N_REGISTERS of them */
    IntroMember sp_offset, bp_offset, sp_register, bp_register, type;
    IntroMember end, signal;            /* size_bits is 0 if the kernel has no such field */
} IntroOrcLayout;

/* One table, as it was in guest memory: N offsets to instructions, each from its own place, ascending; N entries. */
typedef struct {
    GuestVa start, end;                 /* the text that it is for: START inclusive, END exclusive */
    GuestVa offsets_va;
    guint32 n;
    GBytes *offsets, *entries;
} IntroOrcTable;

typedef struct IntroOrc IntroOrc;

/* With the registers' numbers of Linux up to 6.12; see intro_orc_use_entry_of_function(). */
gboolean intro_orc_layout(const IntroBtf *btf, IntroOrcLayout *layout, GError **error);
/* What registers' numbers mean can not be read anywhere, but is to be seen: ENTRY, the bytes of the one for the first
 * instruction of any function, is CALL, and finds its caller by the stack pointer. INTRO_ERROR_UNSUPPORTED. */
gboolean intro_orc_use_entry_of_function(IntroOrcLayout *layout, const guint8 *entry, GError **error);
IntroOrcEntry intro_orc_decode(const IntroOrcLayout *layout, const guint8 *entry);

void intro_orc_table_clear(IntroOrcTable *table);
/* The bytes of the entry for IP; NULL if the table has none. */
const guint8 *intro_orc_table_entry(const IntroOrcTable *table, const IntroOrcLayout *layout, GuestVa ip);
/* The same, decoded. FALSE if the table has none; whether IP lies in the table's text is for the caller to see. */
gboolean intro_orc_table_find(const IntroOrcTable *table, const IntroOrcLayout *layout, GuestVa ip,
                              IntroOrcEntry *entry);

/* Reads all tables. INTRO_ERROR_UNSUPPORTED if the kernel was built without ORC. */
IntroOrc *intro_orc_new(const IntroKernel *kernel, GError **error);
void intro_orc_free(IntroOrc *orc);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IntroOrc, intro_orc_free)

/* FALSE where there is no ORC data: outside the kernel's and its modules' text. */
gboolean intro_orc_find(const IntroOrc *orc, GuestVa ip, IntroOrcEntry *entry);

#endif
