/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes of an update file, shared by the side that writes and the side that reads. docs/update-format.md says the
 * same in words.
 */
#ifndef PATCHER_UPDATE_FORMAT_H
#define PATCHER_UPDATE_FORMAT_H

#include "patcher/update.h"

#define PATCH_FILE_MAGIC "\211VLP\r\n\032\n"   /* the line ends show a transfer that took the file for text */
#define PATCH_FILE_MAGIC_BYTES 8
#define PATCH_FILE_VERSION 5
#define PATCH_FILE_DIGEST_BYTES 32             /* SHA-256 of the body */
#define PATCH_FILE_HEADER_BYTES 56             /* magic, version (4), zero (4), body length (8), digest */
#define PATCH_FILE_MAX_BYTES (64 * 1024 * 1024)
#define PATCH_UPDATE_MAX_OBJECTS 256

/* The body is one GVariant, little-endian, in normal form. */
#define PATCH_FORMAT_FIXUPS "a(uuxyu)"                     /* offset, type, addend, target, index */
#define PATCH_FORMAT_CHOICES "a(uay" PATCH_FORMAT_FIXUPS ")"
#define PATCH_FORMAT_SITES "a(yuut" PATCH_FORMAT_CHOICES ")"   /* kind, offset, length, arg */
#define PATCH_FORMAT_CODE "(ay" PATCH_FORMAT_FIXUPS PATCH_FORMAT_SITES ")"
#define PATCH_FORMAT_SECTIONS "a(stt)"                     /* name, size, alignment */
#define PATCH_FORMAT_SYMBOLS "a(sittbb)"                   /* name, section, value, size, is_global, is_function */
#define PATCH_FORMAT_LITERALS "aay"
#define PATCH_FORMAT_FUNCTIONS "a(u" PATCH_FORMAT_CODE ")" /* symbol */
#define PATCH_FORMAT_PIECES "a(sytt" PATCH_FORMAT_CODE ")" /* name, kind, alignment, size */
#define PATCH_FORMAT_REPLACEMENTS "a(uuauys)"              /* function, piece, parts, reason, cause */
#define PATCH_FORMAT_EXCEPTIONS "a(uuuuiu)"                /* piece, offset, to_piece, to_offset, handler, data */
#define PATCH_FORMAT_UNWINDS "(ya(uut))"                   /* bytes of an entry; piece, offset, entry */
/* name, form, origin, symbol, offsets, mask, before, after */
#define PATCH_FORMAT_DATA "a(syyuatay" PATCH_FORMAT_CODE PATCH_FORMAT_CODE ")"
#define PATCH_FORMAT_HOOKS "a(yuu)"                        /* kind, seconds, piece */
#define PATCH_FORMAT_OBJECTS                                                                                   \
    "a(ss" PATCH_FORMAT_SECTIONS PATCH_FORMAT_SYMBOLS PATCH_FORMAT_LITERALS PATCH_FORMAT_FUNCTIONS             \
    PATCH_FORMAT_PIECES PATCH_FORMAT_REPLACEMENTS PATCH_FORMAT_EXCEPTIONS PATCH_FORMAT_UNWINDS                 \
    PATCH_FORMAT_DATA PATCH_FORMAT_HOOKS ")"                                                    /* path, module */
/* description, kernel, build_id, compiler, patch, cves, forced */
#define PATCH_FORMAT_UPDATE "(ssssayasas" PATCH_FORMAT_OBJECTS ")"

/* Fills ID from the SHA-256 of a body. */
void patch_update_id_from_digest(const guint8 *digest, char *id);

/* The second half of loading: TRUE if every index, offset and length in UPDATE is in bounds and every string printable.
 * PATCH_ERROR_FAILED. */
gboolean patch_update_validate(const PatchUpdate *update, GError **error);

/* Width in bytes of the field that a fixup of TYPE fills in; 0 if fixups of that type do not exist. */
guint patch_fixup_width(guint32 type);

#endif
