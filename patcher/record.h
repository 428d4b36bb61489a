/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record of what is installed, as it lies in guest memory beside the new code. It is all that view, undo and verify
 * need, so it travels with the guest. docs/record-format.md describes the bytes.
 *
 * An application of an update writes one record for vmlinux and one for each module that it reaches into. A record
 * occupies one block of whole pages in an executable hole of the kernel's image: a header at its start, text and
 * read-only data behind it, the record at its end. Writable data lies in a second area, in a writable hole. Where there is
 * no such room, block and data area are one region of memory that the guest's own allocator has given (room.h). What only
 * runs something (runner.h) makes do with tails, if it has to: then the block is all of the tail, and no whole page.
 *
 *                    apply                               undo
 *     (empty) --> claimed --> preparing --> installed --> removing --> claimed --> (empty)
 *
 * A region is claimed when it has been given, and given back when it is claimed again. Where something of the update stays
 * (kept.h), it becomes kept instead of claimed, and remains so.
 *
 * While preparing or removing, jumps may be there or not; the record says what was at each place before, so they can be
 * taken out whatever was done of them. While claimed, no jump and no datum is there, and nothing but the block's length
 * counts. Records of one application are preparing if one of them is, and those of one update are removing if one of
 * them is; and one that says that it takes the place of others does so from the moment it is installed (arena.h).
 */
#ifndef PATCHER_RECORD_H
#define PATCHER_RECORD_H

#include <glib.h>

#include "introspect/kernel.h"
#include "patcher/update.h"

#define PATCH_PAGE_BYTES 4096
#define PATCH_BLOCK_HEADER_BYTES 64
#define PATCH_BLOCK_ALIGNMENT 64        /* of one in a tail, and of its length */
#define PATCH_BLOCK_STATE_OFFSET 12     /* of the state, from the start of the block */

/* The longest jump, with what fills it up to the end of an instruction. */
#define PATCH_MAX_JUMP_BYTES 20

/* The longest value, and how many there are in one record. */
#define PATCH_MAX_VALUE_BYTES (1024 * 1024)
#define PATCH_MAX_VALUES 4096

/* What an empty executable hole is filled with, and what undo leaves. */
#define PATCH_EMPTY_TEXT 0xcc

typedef enum {
    PATCH_STATE_PREPARING = 1,
    PATCH_STATE_INSTALLED = 2,
    PATCH_STATE_REMOVING = 3,
    PATCH_STATE_CLAIMED = 4,
    PATCH_STATE_REPLACED = 5,   /* as PATCH_STATE_INSTALLED in the guest, but another one has taken its place */
    PATCH_STATE_KEPT = 6,       /* nothing is there but what stays (kept.h) */
} PatchState;

/* What stands for the id of a block that is only claimed. */
#define PATCH_NO_ID "-"

typedef struct {
    GuestVa va;
    guint64 length;             /* bytes */
} PatchArea;

static inline gboolean
patch_area_contains(PatchArea area, GuestVa va)
{
    return va >= area.va && va - area.va < area.length;
}

/* A function of the guest's kernel that jumps to its replacement. */
typedef struct {
    char *name;
    GuestVa va, replacement_va;
    guint64 size, replacement_size;
    GuestVa jump_va;
    GBytes *before, *jump;      /* the kernel's own code, also where another update's jump was found, and what was put
                                   in its place; of one length */
} PatchJump;

/* The module that a record's jumps and values are in, as it was loaded then: if it is not found like that, the jumps are gone. */
typedef struct {
    char *name;                 /* "" for vmlinux, and then nothing else is meant */
    GuestVa module, base;       /* its struct module, and where its text begins */
} PatchModule;

/* A piece of new code or data. */
typedef struct {
    char *name;
    PatchPieceKind kind;
    gboolean stays;             /* read-only data that objects of the guest's may use, also when the rest is gone; in the data
                                   area, as the kernel's text is to be as it was then */
    GuestVa va;
    guint64 size;
    char *sha256;               /* hex, of what was written; "" for writable data */
} PatchPlaced;

/* A pointer on the way to a datum. */
typedef struct {
    GuestVa va, target;         /* where it is, and what it held */
} PatchPointer;

/* A datum of the guest's kernel that holds another value. */
typedef struct {
    char *name;
    PatchForm form;
    GuestVa va;
    GArray *pointers;           /* of PatchPointer: how it was found, if not by its address */
    GBytes *mask;               /* the bits that are meant, of each byte */
    GBytes *before, *after;     /* the kernel's own value, also where another update's was found, and what was put in its
                                   place; all three of one length */
} PatchValue;

/* A function to be called around the update. */
typedef struct {
    char *name;
    PatchHookKind kind;
    GuestVa va;
    guint32 limit_s;            /* how long it may take */
} PatchHookPlace;

typedef struct {
    char id[PATCH_ID_LENGTH + 1];
    PatchState state;           /* lies in the header, not in the record proper */
    char *description, *kernel, *tool;
    GStrv cves;
    gint64 applied_at;          /* seconds since 1970, by the host's clock */
    guint64 sequence;           /* of the application; a later one has a higher number */
    PatchModule module;
    GStrv waiting;              /* modules that the update has code for, and that were not loaded then */
    GArray *replaces;           /* of GuestVa: the blocks of earlier records whose place this one takes */
    PatchArea block, data;      /* data: of length 0 if there is none */
    PatchArea kept;             /* what of the data area stays: the block of a record of its own (kept.h) */
    guint64 region_bytes;       /* of the memory from the guest's allocator that the block begins; 0 if it is in the image */
    guint8 filler;              /* what the block's place is filled with when nothing is there */
    GuestVa code_va;            /* where the block is executed; its own address, or a second one */
    GuestVa known_va;           /* of the struct module, in data, by which the kernel knows the code; 0 if there is none */
    GPtrArray *jumps;           /* of PatchJump */
    GPtrArray *placed;          /* of PatchPlaced */
    GPtrArray *hooks;           /* of PatchHookPlace */
    GPtrArray *values;          /* of PatchValue */
} PatchRecord;

/* Records are counted: each reference is to be unreffed. */
PatchRecord *patch_record_new(void);
PatchRecord *patch_record_ref(const PatchRecord *record);
void patch_record_unref(PatchRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PatchRecord, patch_record_unref)
void patch_jump_free(PatchJump *jump);
void patch_placed_free(PatchPlaced *placed);
void patch_hook_place_free(PatchHookPlace *hook);
void patch_value_free(PatchValue *value);

/* The record proper; deterministic, and of a length that does not depend on addresses. */
GBytes *patch_record_save(const PatchRecord *record);

/* Writes a block's header to the PATCH_BLOCK_HEADER_BYTES bytes at HEADER. RECORD_OFFSET is counted from the start of
 * the block. */
void patch_record_fill_header(guint8 *header, PatchState state, guint64 block_bytes, guint64 record_offset, GBytes *record);

/* Notes in such a header that the block begins a region of N_PAGES. */
void patch_record_mark_region(guint8 *header, guint32 n_pages);

/* The region's second part, where data may lie. */
PatchArea patch_record_region_data(const PatchRecord *record);

/* A whole block's bytes as they lie at VA, back to a record, which for a claimed block tells its area and nothing else.
 * Anything may be in them: PATCH_ERROR_FAILED. */
PatchRecord *patch_record_load(GuestVa va, const guint8 *block, gsize length, GError **error);

/* TRUE if a block begins with these PATCH_BLOCK_HEADER_BYTES bytes; then its length (bytes). */
gboolean patch_record_is_header(const guint8 *header, guint64 *block_bytes);

#endif
