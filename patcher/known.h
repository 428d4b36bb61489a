/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * New code that the guest's kernel knows, as it knows that of its modules: a fault in it finds its exception table, a
 * backtrace its unwind data and names, /proc/modules and /proc/kallsyms list it. So that it is one, as far as the kernel
 * can see: a struct module without init and exit, parameters or sysfs, live, held and permanent, is put into the kernel's
 * list and tree of modules from outside. Nothing is loaded: it works where loading is forbidden.
 *
 * The kernel looks at modules only for addresses that are not its image's. So the block is executed not where it lies, in
 * a hole of the image, but at a second address of the same pages (introspect/window.h).
 */
#ifndef PATCHER_KNOWN_H
#define PATCHER_KNOWN_H

#include "introspect/module-table.h"
#include "patcher/arena.h"
#include "patcher/known-tables.h"
#include "patcher/plan.h"

/* What the guest's kernel has for it. */
typedef struct {
    IntroModuleTable table;
    guint8 unwind_bytes;        /* size of a struct orc_entry; 0 if its unwinder is another */
} PatchKnown;

#define PATCH_KNOWN_ALIGNMENT 64        /* of a struct module, bytes */
/* A module that is loaded counts as one reference (MODULE_REF_BASE); one more keeps it from being removed. */
#define PATCH_KNOWN_REFERENCES 2

/* FALSE, with the reason, if new code can not be made known to this kernel. */
gboolean patch_known_read(const IntroKernel *kernel, PatchKnown *known, GError **error);

/* The address at which LENGTH bytes at VA, in an executable hole of ARENA's, are to be executed. FALSE if there is none. */
gboolean patch_known_place(const IntroKernel *kernel, const PatchArena *arena, GuestVa va, guint64 length, GuestVa *code_va,
                           GError **error);

/* Fills in the struct module of RECORD, which is placed, in the known->table.module_bytes at MODULE: CODE_BYTES of its
 * block are code and constants. */
gboolean patch_known_module(const PatchKnown *known, const IntroKernel *kernel, const PatchRecord *record,
                            const PatchKnownTables *tables, guint64 code_bytes, guint8 *module, GError **error);

/* Adds to PLAN the writes that make ADDED (of PatchRecord), whose blocks are planned already, known: page table, list and
 * tree; and that nobody may be changing the list. */
gboolean patch_known_plan_added(PatchPlan *plan, const IntroKernel *kernel, const PatchArena *arena, const GPtrArray *added,
                                GError **error);

/* The same to take REMOVED out again, where ADDED (may be empty) come in the same plan; and that nobody may be looking at
 * it. PATCH_ERROR_DOES_NOT_FIT: somebody in the guest has put a probe into it. */
gboolean patch_known_plan_removed(PatchPlan *plan, const IntroKernel *kernel, const PatchArena *arena,
                                  const GPtrArray *removed, const GPtrArray *added, GError **error);

/* Whether RECORD's code is known to the kernel as it should be. */
gboolean patch_known_verify(const IntroKernel *kernel, const PatchRecord *record);

#endif
