/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record of an installed update, as it lies in guest memory beside the new code. It is all that view, undo and
 * verify need, so it travels with the guest. docs/record-format.md describes the bytes.
 *
 * An update occupies one block of whole pages in an executable hole of the kernel's image: a header at its start, text
 * and read-only data behind it, the record at its end. Writable data lies in a second area, in a writable hole.
 *
 *                    apply                               undo
 *     (empty) --> claimed --> preparing --> installed --> removing --> claimed --> (empty)
 *
 * While preparing or removing, jumps may be there or not; the record says what was at each place before, so they can be
 * taken out whatever was done of them. While claimed, no jump and no datum is there, and nothing but the block's length
 * counts.
 */
#ifndef PATCHER_RECORD_H
#define PATCHER_RECORD_H

#include <glib.h>

#include "introspect/kernel.h"
#include "patcher/update.h"

#define PATCH_PAGE_BYTES 4096
#define PATCH_BLOCK_HEADER_BYTES 64
#define PATCH_BLOCK_STATE_OFFSET 12     /* of the state, from the start of the block */

/* What an empty executable hole is filled with, and what undo leaves. */
#define PATCH_EMPTY_TEXT 0xcc

typedef enum {
    PATCH_STATE_PREPARING = 1,
    PATCH_STATE_INSTALLED = 2,
    PATCH_STATE_REMOVING = 3,
    PATCH_STATE_CLAIMED = 4,
} PatchState;

/* What stands for the id of a block that is only claimed. */
#define PATCH_NO_ID "-"

typedef struct {
    GuestVa va;
    guint64 length;             /* bytes */
} PatchArea;

/* A function of the guest's kernel that jumps to its replacement. */
typedef struct {
    char *name, *module;        /* module: "" for vmlinux */
    GuestVa va, replacement_va;
    guint64 size, replacement_size;
    GuestVa jump_va;
    GBytes *before, *jump;      /* what was there, and what was put in its place; of one length */
} PatchJump;

/* A piece of new code or data. */
typedef struct {
    char *name;
    PatchPieceKind kind;
    GuestVa va;
    guint64 size;
    char *sha256;               /* hex, of what was written; "" for writable data */
} PatchPlaced;

typedef struct {
    char id[PATCH_ID_LENGTH + 1];
    PatchState state;           /* lies in the header, not in the record proper */
    char *description, *kernel, *tool;
    GStrv cves;
    gint64 applied_at;          /* seconds since 1970, by the host's clock */
    PatchArea block, data;      /* data: of length 0 if there is none */
    GPtrArray *jumps;           /* of PatchJump */
    GPtrArray *placed;          /* of PatchPlaced */
} PatchRecord;

PatchRecord *patch_record_new(void);
void patch_record_free(PatchRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchRecord, patch_record_free)
void patch_jump_free(PatchJump *jump);
void patch_placed_free(PatchPlaced *placed);

/* The record proper; deterministic, and of a length that does not depend on addresses. */
GBytes *patch_record_save(const PatchRecord *record);

/* Writes a block's header to the PATCH_BLOCK_HEADER_BYTES bytes at HEADER. RECORD_OFFSET is counted from the start of
 * the block. */
void patch_record_fill_header(guint8 *header, PatchState state, guint64 block_bytes, guint64 record_offset, GBytes *record);

/* A whole block's bytes as they lie at VA, back to a record, which for a claimed block tells its area and nothing else.
 * Anything may be in them: PATCH_ERROR_FAILED. */
PatchRecord *patch_record_load(GuestVa va, const guint8 *block, gsize length, GError **error);

/* TRUE if a block begins with these PATCH_BLOCK_HEADER_BYTES bytes; then its length (bytes, whole pages). */
gboolean patch_record_is_header(const guint8 *header, guint64 *block_bytes);

#endif
