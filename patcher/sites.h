/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One stretch of an object's code or data as an update holds it: bytes, fixups, and the sites that its special sections
 * make of it.
 */
#ifndef PATCHER_SITES_H
#define PATCHER_SITES_H

#include "patcher/tables.h"
#include "patcher/update.h"

typedef struct {
    const PatchElf *elf;
    GArray *entries;            /* of elf, from patch_tables_read; only for sites */
    guint32 section;            /* that the stretch is in */
    guint64 start, size;        /* bytes */
    /* Makes of RELOC (of ELF, at OFFSET from the start of the code or choice) a fixup, and appends it to FIXUPS. */
    gboolean (*make_fixup)(gpointer data, const PatchReloc *reloc, guint32 offset, GArray *fixups, GError **error);
    gpointer data;
} PatchSiteSource;

/* Appends the stretch's bytes to CODE's, zeros where the section has none, and its fixups, sorted. What make_fixup sets. */
gboolean patch_sites_copy(const PatchSiteSource *source, PatchCode *code, GError **error);

/* Puts the fixups of CODE into the order of what they are in. */
void patch_sites_sort_fixups(PatchCode *code);

/* Appends to CODE's sites, by ascending offset, every stretch that the kernel may rewrite; and to its fixups,
 * unsorted, what jump labels with a distant target need. Its bytes are there already. PATCH_ERROR_FAILED, or what
 * make_fixup sets. */
gboolean patch_sites_add(const PatchSiteSource *source, PatchCode *code, GError **error);

#endif
